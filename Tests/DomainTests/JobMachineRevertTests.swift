import Testing

@testable import Domain

/// A job that goes back to the release before: every event in every state of it.
struct JobMachineRevertTests {
    /// Where a job of the steps activate and health may be that goes back with switch-back and rollback-health.
    enum Place: CaseIterable {
        case checking, checkingThenCancelled, checkingOverLimit
        case switching, switchingOverLimit, switchingThenHalted
        case rechecking, recheckingOverLimit, recheckingThenHalted
    }

    enum Event: CaseIterable {
        case succeeded, exited, stopped, cancel, jobLimit, halt, start, supersede
    }

    typealias Row = (action: JobMachine.Action, then: Place?)

    private static let sick = JobEnd(.failed, "health check: got 502, wanted 200, for 30s")
    private static let over = JobEnd(.failed, "the job ran longer than its limit of 30m; it was in step \"health\"")
    private static let gone = JobEnd(.cancelled, "cancelled during step \"health\"")

    @Test("every event is answered as the table says; what it does not say changes nothing", arguments: Place.allCases)
    func everyPair(place: Place) throws {
        for event in Event.allCases {
            var machine = try Self.machine(at: place)
            let row = Self.table(of: place)[event] ?? (.nothing, place)
            #expect(machine.feed(event) == row.action, "\(event) while \(place)")
            if let then = row.then { #expect(try machine == Self.machine(at: then), "after \(event) while \(place)") }
        }
    }

    private static func table(of place: Place) -> [Event: Row] {
        switch place {
        case .checking:
            [
                .succeeded: (.end(JobEnd(.succeeded, "aaaaaaa is live as release 42")), nil),
                .exited: (.revert(step: 2, after: JobEnd(.failed, "step \"health\" exited with status 1")), nil),
                .stopped: (.revert(step: 2, after: JobEnd(.failed, "step \"health\" was stopped")), nil),
                .cancel: (.stop(step: 1), .checkingThenCancelled), .jobLimit: (.stop(step: 1), .checkingOverLimit),
                .halt: (.stop(step: 1), nil),
            ]
        case .checkingThenCancelled:
            [
                .succeeded: (.revert(step: 2, after: gone), nil), .exited: (.revert(step: 2, after: gone), nil),
                .stopped: (.revert(step: 2, after: gone), nil),
            ]
        case .checkingOverLimit:
            [
                .succeeded: (.revert(step: 2, after: over), nil), .exited: (.revert(step: 2, after: over), nil),
                .stopped: (.revert(step: 2, after: over), nil),
            ]
        case .switching:
            [
                .succeeded: (.run(step: 3), .rechecking),
                .exited: (.end(stays(": step \"switch-back\" exited with status 1")), nil),
                .stopped: (.end(stays(": step \"switch-back\" was stopped")), nil),
                .jobLimit: (.stop(step: 2), .switchingOverLimit), .halt: (.stop(step: 2), .switchingThenHalted),
            ]
        case .switchingOverLimit:
            [
                .succeeded: (.end(sick.adding("rolled back to release 41")), nil),
                .exited: (.end(stays(": the job ran longer than its limit of 30m; it was in step \"switch-back\"")), nil),
                .stopped: (.end(stays(": the job ran longer than its limit of 30m; it was in step \"switch-back\"")), nil),
            ]
        case .switchingThenHalted: [.succeeded: (.putBack, nil), .exited: (.putBack, nil), .stopped: (.putBack, nil)]
        case .rechecking:
            [
                .succeeded: (.end(sick.adding("rolled back to release 41")), nil),
                .exited: (.end(sick.adding("rolled back to release 41, but step \"rollback-health\" exited with status 1")), nil),
                .stopped: (.end(sick.adding("rolled back to release 41, but step \"rollback-health\" was stopped")), nil),
                .jobLimit: (.stop(step: 3), .recheckingOverLimit), .halt: (.stop(step: 3), .recheckingThenHalted),
            ]
        case .recheckingOverLimit:
            [
                .succeeded: (.end(sick.adding("rolled back to release 41")), nil), .exited: (.end(late), nil), .stopped: (.end(late), nil),
            ]
        case .recheckingThenHalted:
            [.succeeded: (.end(sick.adding("rolled back to release 41")), nil), .exited: (.putBack, nil), .stopped: (.putBack, nil)]
        }
    }

    private static let late = sick.adding(
        "rolled back to release 41, but the job ran longer than its limit of 30m; it was in step \"rollback-health\"")

    private static func stays(_ trouble: String) -> JobEnd {
        sick.adding("release 42 stays live, because going back failed" + trouble)
    }

    /// The machine after the shortest way to a place.
    private static func machine(at place: Place) throws -> JobMachine {
        var machine = try JobMachine.ofSteps(
            (.activate, "activate"), (.health, "health"), back: [(.switchBack, "switch-back"), (.health, "rollback-health")])
        _ = machine.start(at: 1)
        if ![.checking, .checkingThenCancelled, .checkingOverLimit].contains(place) {
            #expect(machine.stepEnded(.failed(reason: "got 502, wanted 200, for 30s")) == .revert(step: 2, after: sick))
        }
        if [.rechecking, .recheckingOverLimit, .recheckingThenHalted].contains(place) { _ = machine.stepEnded(.succeeded) }
        switch place {
        case .checking, .switching, .rechecking: break
        case .checkingThenCancelled: _ = machine.cancel()
        case .checkingOverLimit, .switchingOverLimit, .recheckingOverLimit: _ = machine.jobLimitReached()
        case .switchingThenHalted, .recheckingThenHalted: _ = machine.halt()
        }
        return machine
    }

    @Test("a job that was put back while it went back goes on with that, wherever it was")
    func again() throws {
        let back: [(PlannedStep.Stage, String)] = [(.switchBack, "switch-back"), (.health, "rollback-health")]
        for (step, action) in [
            (2, JobMachine.Action.run(step: 2)), (3, .run(step: 3)), (4, .end(Self.sick.adding("rolled back to release 41"))),
        ] {
            var machine = try JobMachine.ofSteps((.activate, "activate"), (.health, "health"), back: back)
            #expect(machine.start(at: step, reverting: Self.sick) == action)
        }
        // Meanwhile the configuration was changed: there is nothing to go back with.
        var machine = try JobMachine.ofSteps((.activate, "activate"), (.health, "health"))
        #expect(machine.start(at: 2, reverting: Self.sick) == .end(Self.sick))
    }

    @Test("what goes back and is lost, or is configured otherwise by now, waits in the queue to go on with it")
    func lost() throws {
        for (outcome, action) in [(StepOutcome.lost, JobMachine.Action.startAnew), (.outdated, .putBack)] {
            var machine = try Self.machine(at: .switching)
            #expect(machine.stepEnded(outcome) == action)
            #expect(machine.start(at: 2, reverting: Self.sick) == .run(step: 2))
        }
    }

    @Test("where there is no good release the reason says so, and what is live")
    func stuck() throws {
        var machine = try JobMachine.ofSteps((.activate, "activate"), (.health, "health"), onFailure: .stuck)
        _ = machine.start(at: 1)
        let end = JobEnd(.failed, "step \"health\" exited with status 1; release 42 stays live, for there is no good one to go back to")
        #expect(machine.stepEnded(.exited(status: 1)) == .end(end))
    }
}

extension JobMachine {
    fileprivate mutating func feed(_ event: JobMachineRevertTests.Event) -> Action {
        switch event {
        case .succeeded: stepEnded(.succeeded)
        case .exited: stepEnded(.exited(status: 1))
        case .stopped: stepEnded(.stopped)
        case .cancel: cancel()
        case .jobLimit: jobLimitReached()
        case .halt: halt()
        case .start: start()
        case .supersede: supersede(by: 43)
        }
    }
}
