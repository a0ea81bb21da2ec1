import Foundation
import Testing

@testable import Domain

/// What a job lives through, from one end to the other.
struct JobMachineTests {
    @Test("a job whose every step succeeds runs them one after the other and is live in the end")
    func happyPath() throws {
        var machine = try jobMachine()
        #expect(machine.start() == .run(step: 0))
        for step in 1...4 { #expect(machine.stepEnded(.succeeded) == .run(step: step)) }
        #expect(machine.stepEnded(.succeeded) == .end(JobEnd(.succeeded, "aaaaaaa is live as release 42")))
    }

    @Test(
        "a step that fails ends the job there; behind activation the reason says that the release stays live",
        arguments: [(0, "fetch", false), (1, "checkout", false), (2, "bundle", false), (3, "activate", false), (4, "warm", true)])
    func failure(step: Int, name: String, staysLive: Bool) throws {
        for (outcome, sentence) in [
            (StepOutcome.exited(status: 2), "step \"\(name)\" exited with status 2"),
            (.failed(reason: "no such host"), "\(name): no such host"),
            (.exceeded(.step(.seconds(600))), "step \"\(name)\" ran longer than its limit of 10m"),
        ] {
            var machine = try jobMachine(atStep: step)
            #expect(machine.stepEnded(outcome) == .end(JobEnd(.failed, sentence + (staysLive ? "; release 42 stays live" : ""))))
            #expect(machine.start() == .nothing)
        }
    }

    @Test(
        "a cancelled job is told to stop, and ends when its step has",
        arguments: [(2, "bundle", ""), (4, "warm", "; release 42 stays live")])
    func cancel(step: Int, name: String, rest: String) throws {
        var machine = try jobMachine(atStep: step)
        #expect(machine.cancel() == .stop(step: step))
        #expect(machine.isStopping)
        #expect(machine.stepEnded(.stopped) == .end(JobEnd(.cancelled, "cancelled during step \"\(name)\"" + rest)))
        #expect(!machine.isStopping)
    }

    @Test(
        "a job over its limit is told to stop, and fails when its step has",
        arguments: [(2, "bundle", ""), (4, "warm", "; release 42 stays live")])
    func jobLimit(step: Int, name: String, rest: String) throws {
        var machine = try jobMachine(atStep: step)
        #expect(machine.jobLimitReached() == .stop(step: step))
        let sentence = "the job ran longer than its limit of 30m; it was in step \"\(name)\"" + rest
        #expect(machine.stepEnded(.stopped) == .end(JobEnd(.failed, sentence)))
    }

    @Test("when the end of the activation crosses a cancel or the limit, the reason still says what is live")
    func activationCrosses() throws {
        var cancelled = try jobMachine(atStep: 3)
        #expect(cancelled.cancel() == .stop(step: 3))
        #expect(cancelled.stepEnded(.succeeded) == .end(JobEnd(.cancelled, "cancelled during step \"activate\"; release 42 stays live")))
        var limited = try jobMachine(atStep: 3)
        #expect(limited.jobLimitReached() == .stop(step: 3))
        let sentence = "the job ran longer than its limit of 30m; it was in step \"activate\"; release 42 stays live"
        #expect(limited.stepEnded(.succeeded) == .end(JobEnd(.failed, sentence)))
        var stopped = try jobMachine(atStep: 3)
        #expect(stopped.cancel() == .stop(step: 3))
        #expect(stopped.stepEnded(.stopped) == .end(JobEnd(.cancelled, "cancelled during step \"activate\"")))
    }

    @Test("a job is under way from its start until how it ends is settled, however that is")
    func underWay() throws {
        var machine = try jobMachine(atStep: 4)
        #expect(machine.isUnderWay)
        _ = machine.cancel()
        #expect(machine.isUnderWay)
        _ = machine.stepEnded(.stopped)
        #expect(!machine.isUnderWay)
        var halted = try jobMachine(atStep: 2)
        _ = halted.halt()
        #expect(halted.stepEnded(.stopped) == .putBack)
        #expect(!halted.isUnderWay)
    }

    @Test("a halted job is put back and starts again, unless its last step had just succeeded")
    func halt() throws {
        for (step, outcome) in [(2, StepOutcome.stopped), (2, .succeeded), (2, .exited(status: 1)), (4, .stopped)] {
            var machine = try jobMachine(atStep: step)
            #expect(machine.halt() == .stop(step: step))
            #expect(machine.stepEnded(outcome) == .putBack)
            #expect(machine.start() == .run(step: 0))
        }
        var machine = try jobMachine(atStep: 4)
        #expect(machine.halt() == .stop(step: 4))
        #expect(machine.stepEnded(.succeeded) == .end(JobEnd(.succeeded, "aaaaaaa is live as release 42")))
    }

    @Test("a step may find that the job has nothing to do", arguments: [Job.State.superseded, .skipped])
    func concluded(state: Job.State) throws {
        var machine = try jobMachine(atStep: 0)
        #expect(
            machine.stepEnded(.concluded(JobEnd(state, "already live as release 41"))) == .end(JobEnd(state, "already live as release 41")))
    }

    @Test("a job that had been activated goes on from the step after, or is done when there is none")
    func resumed() throws {
        var machine = try jobMachine()
        #expect(machine.start(at: 4) == .run(step: 4))
        #expect(machine.stepEnded(.exited(status: 1)) == .end(JobEnd(.failed, "step \"warm\" exited with status 1; release 42 stays live")))
        var done = try jobMachine()
        #expect(done.start(at: 5) == .end(JobEnd(.succeeded, "aaaaaaa is live as release 42")))
    }

    @Test("every transition its comment lists is made by a method it has, and every method is listed")
    func commentIsTrue() throws {
        let file = URL(filePath: #filePath).appending(path: "../../../Sources/Domain/JobMachine.swift").standardizedFileURL
        let source = try String(contentsOf: file, encoding: .utf8)
        let list = source.split(separator: "\n").filter { $0.hasPrefix("/// - ") }
        let listed = list.map { $0.matches(of: /``(\w+)\(/).map { String($0.output.1) } }
        #expect(list.count >= 8)
        #expect(listed.allSatisfy { !$0.isEmpty })
        let methods = Set(source.matches(of: /package mutating func (\w+)\(/).map { String($0.output.1) })
        #expect(Set(listed.joined()) == methods)
    }
}
