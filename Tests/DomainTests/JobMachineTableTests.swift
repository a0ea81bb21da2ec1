import Testing

@testable import Domain

/// Every event in every state.
struct JobMachineTableTests {
    /// Where a job of the steps fetch, activate and warm may be.
    enum Place: CaseIterable {
        case queued
        case fetching, fetchingThenCancelled, fetchingOverLimit, fetchingThenHalted
        case activating, activatingThenCancelled, activatingOverLimit, activatingThenHalted
        case warming, warmingThenCancelled, warmingOverLimit, warmingThenHalted
        case ended
    }

    enum Event: CaseIterable {
        case start, startAtWarm, startAtEnd
        case succeeded, exited, signalled, exceededStep, exceededJob, silent, stopped, failed, fetched, superseded, skipped, lost, outdated
        case cancel, supersede, jobLimit, halt
    }

    typealias Row = (action: JobMachine.Action, then: Place)

    @Test("every event in every state is answered as the table says; what it does not say changes nothing", arguments: Place.allCases)
    func everyPair(place: Place) throws {
        let table = Self.table(of: place)
        for event in Event.allCases {
            var machine = try Self.machine(at: place)
            let row = table[event] ?? (.nothing, place)
            #expect(machine.feed(event) == row.action, "\(event) while \(place)")
            #expect(try machine == Self.machine(at: row.then), "after \(event) while \(place)")
        }
    }

    @Test("the places of the table are all different states, and only those that stop say so")
    func places() throws {
        let machines = try Place.allCases.map { try Self.machine(at: $0) }
        for (index, machine) in machines.enumerated() {
            #expect(machines.firstIndex(of: machine) == index)
        }
        #expect(machines.map(\.isStopping) == [false] + Array(repeating: [false, true, true, true], count: 3).joined() + [false])
    }

    @Test("every way in which a step may end is an event of the table")
    func outcomes() {
        // Where a way is added this no longer compiles, and the way wants an event above.
        func event(_ outcome: StepOutcome) -> Event {
            switch outcome {
            case .succeeded: .succeeded
            case .exited: .exited
            case .signalled: .signalled
            case .exceeded(.step): .exceededStep
            case .exceeded(.job): .exceededJob
            case .exceeded(.silence): .silent
            case .stopped: .stopped
            case .failed: .failed
            case .fetched: .fetched
            case .lost: .lost
            case .outdated: .outdated
            case .concluded(let end): end.state == .skipped ? .skipped : .superseded
            }
        }
        for name in Event.allCases { if let outcome = name.outcome { #expect(event(outcome) == name) } }
        #expect(Event.allCases.filter { $0.outcome != nil } == Event.ends)
    }

    private static func table(of place: Place) -> [Event: Row] {
        switch place {
        case .queued:
            [
                .start: (.run(step: 0), .fetching), .startAtWarm: (.run(step: 2), .warming), .startAtEnd: (.end(live), .ended),
                .cancel: (.end(JobEnd(.cancelled, "cancelled while it was queued")), .ended),
                .supersede: (.end(.superseded(by: 43)), .ended),
            ]
        case .fetching:
            running(0, "fetch").merging([
                .succeeded: (.run(step: 1), .activating), .fetched: (.run(step: 1), .activating),
                .cancel: (.stop(step: 0), .fetchingThenCancelled),
                .jobLimit: (.stop(step: 0), .fetchingOverLimit), .halt: (.stop(step: 0), .fetchingThenHalted),
            ]) { $1 }
        case .activating:
            running(1, "activate").merging([
                .succeeded: (.run(step: 2), .warming), .fetched: (.run(step: 2), .warming),
                .cancel: (.stop(step: 1), .activatingThenCancelled),
                .jobLimit: (.stop(step: 1), .activatingOverLimit), .halt: (.stop(step: 1), .activatingThenHalted),
            ]) { $1 }
        case .warming:
            running(2, "warm", staysLive).merging([
                .succeeded: (.end(live), .ended), .fetched: (.end(live), .ended), .cancel: (.stop(step: 2), .warmingThenCancelled),
                .jobLimit: (.stop(step: 2), .warmingOverLimit), .halt: (.stop(step: 2), .warmingThenHalted),
            ]) { $1 }
        case .fetchingThenCancelled: stopping(cancelled("fetch"))
        case .fetchingOverLimit: stopping(overLimit("fetch"))
        case .fetchingThenHalted: stopping(.putBack).merging([.cancel: (.nothing, .fetchingThenCancelled)]) { $1 }
        case .activatingThenCancelled:
            stopping(cancelled("activate")).merging([.succeeded: (cancelled("activate", staysLive), .ended)]) { $1 }
        case .activatingOverLimit:
            stopping(overLimit("activate")).merging([.succeeded: (overLimit("activate", staysLive), .ended)]) { $1 }
        case .activatingThenHalted: stopping(.putBack).merging([.cancel: (.nothing, .activatingThenCancelled)]) { $1 }
        case .warmingThenCancelled: stopping(cancelled("warm", staysLive))
        case .warmingOverLimit: stopping(overLimit("warm", staysLive))
        case .warmingThenHalted:
            stopping(.putBack).merging([.cancel: (.nothing, .warmingThenCancelled), .succeeded: (.end(live), .ended)]) { $1 }
        case .ended: [:]
        }
    }

    /// While a step runs its every end but the good one ends the job.
    private static func running(_ step: Int, _ name: String, _ rest: String = "") -> [Event: Row] {
        func failed(_ sentence: String) -> Row { (.end(JobEnd(.failed, sentence + rest)), .ended) }
        return [
            .exited: failed("step \"\(name)\" exited with status 1"),
            .signalled: failed("step \"\(name)\" was ended by signal 9 (KILL)"),
            .exceededStep: failed("step \"\(name)\" ran longer than its limit of 5s"),
            .exceededJob: failed("the job ran longer than its limit of 30m; it was in step \"\(name)\""),
            .silent: failed("step \"\(name)\" wrote nothing for 10m and was ended"),
            .stopped: failed("step \"\(name)\" was stopped"),
            .failed: failed("\(name): disk full"),
            .superseded: (.end(JobEnd(.superseded, "main was deleted")), .ended),
            .skipped: (.end(JobEnd(.skipped, "no path matched")), .ended),
            .lost: (.startAnew, .queued), .outdated: (.putBack, .queued),
        ]
    }

    /// While a step is being stopped only its end counts, whatever end it is.
    private static func stopping(_ action: JobMachine.Action) -> [Event: Row] {
        Dictionary(uniqueKeysWithValues: Event.ends.map { ($0, (action, action == .putBack ? .queued : .ended)) })
    }

    private static let live = JobEnd(.succeeded, "aaaaaaa is live as release 42")
    private static let staysLive = "; release 42 stays live"

    private static func cancelled(_ name: String, _ rest: String = "") -> JobMachine.Action {
        .end(JobEnd(.cancelled, "cancelled during step \"\(name)\"" + rest))
    }

    private static func overLimit(_ name: String, _ rest: String = "") -> JobMachine.Action {
        .end(JobEnd(.failed, "the job ran longer than its limit of 30m; it was in step \"\(name)\"" + rest))
    }

    /// The machine after the shortest way to a place.
    private static func machine(at place: Place) throws -> JobMachine {
        let way: [Event] =
            switch place {
            case .queued: []
            case .fetching: [.start]
            case .fetchingThenCancelled: [.start, .cancel]
            case .fetchingOverLimit: [.start, .jobLimit]
            case .fetchingThenHalted: [.start, .halt]
            case .activating: [.start, .succeeded]
            case .activatingThenCancelled: [.start, .succeeded, .cancel]
            case .activatingOverLimit: [.start, .succeeded, .jobLimit]
            case .activatingThenHalted: [.start, .succeeded, .halt]
            case .warming: [.start, .succeeded, .succeeded]
            case .warmingThenCancelled: [.start, .succeeded, .succeeded, .cancel]
            case .warmingOverLimit: [.start, .succeeded, .succeeded, .jobLimit]
            case .warmingThenHalted: [.start, .succeeded, .succeeded, .halt]
            case .ended: [.cancel]
            }
        var machine = try JobMachine.ofSteps((.fetch, "fetch"), (.activate, "activate"), (.deploy, "warm"))
        for event in way { _ = machine.feed(event) }
        return machine
    }
}

extension JobMachineTableTests.Event {
    fileprivate static let ends: [Self] = [
        .succeeded, .exited, .signalled, .exceededStep, .exceededJob, .silent, .stopped, .failed, .fetched, .superseded, .skipped, .lost,
        .outdated,
    ]

    /// The end of a step that the event is; nil: it is something else.
    fileprivate var outcome: StepOutcome? {
        switch self {
        case .succeeded: .succeeded
        case .exited: .exited(status: 1)
        case .signalled: .signalled(9)
        case .exceededStep: .exceeded(.step(.seconds(5)))
        case .exceededJob: .exceeded(.job(.seconds(1800)))
        case .silent: .exceeded(.silence(.seconds(600)))
        case .stopped: .stopped
        case .failed: .failed(reason: "disk full")
        case .fetched: .fetched(OrderRules.Fetched(head: nil, headObject: nil, commit: nil))
        case .superseded: .concluded(JobEnd(.superseded, "main was deleted"))
        case .skipped: .concluded(JobEnd(.skipped, "no path matched"))
        case .lost: .lost
        case .outdated: .outdated
        case .start, .startAtWarm, .startAtEnd, .cancel, .supersede, .jobLimit, .halt: nil
        }
    }
}

extension JobMachine {
    fileprivate mutating func feed(_ event: JobMachineTableTests.Event) -> Action {
        switch event {
        case .start: start()
        case .startAtWarm: start(at: 2)
        case .startAtEnd: start(at: 3)
        case .cancel: cancel()
        case .supersede: supersede(by: 43)
        case .jobLimit: jobLimitReached()
        case .halt: halt()
        case .succeeded, .exited, .signalled, .exceededStep, .exceededJob, .silent, .stopped, .failed, .fetched, .superseded, .skipped,
            .lost, .outdated:
            event.outcome.map { stepEnded($0) } ?? .nothing
        }
    }
}
