import Testing

@testable import Domain

struct StepOutcomeTests {
    @Test(
        "how a step failed is one phrase that names it",
        arguments: [
            (.exited(status: 2), "step \"bundle\" exited with status 2"),
            (.exited(status: 126), "step \"bundle\" exited with status 126 (a command could not be executed)"),
            (.exited(status: 127), "step \"bundle\" exited with status 127 (a command was not found)"),
            (.signalled(9), "step \"bundle\" was ended by signal 9 (KILL)"),
            (.signalled(11), "step \"bundle\" was ended by signal 11 (SEGV)"),
            (.signalled(64), "step \"bundle\" was ended by signal 64"),
            (.exceeded(.step(.seconds(600))), "step \"bundle\" ran longer than its limit of 10m"),
            (.exceeded(.job(.seconds(1800))), "the job ran longer than its limit of 30m; it was in step \"bundle\""),
            (.exceeded(.silence(.seconds(90))), "step \"bundle\" wrote nothing for 90s and was ended"),
            (.stopped, "step \"bundle\" was stopped"),
            (.failed(reason: "no such host \u{1B}[31m"), "bundle: no such host \\x1b[31m"),
        ] as [(StepOutcome, String)])
    func failures(outcome: StepOutcome, phrase: String) {
        #expect(outcome.failure(ofStep: "bundle") == phrase)
    }

    @Test("a step that did its work has not failed")
    func noFailure() {
        #expect(StepOutcome.succeeded.failure(ofStep: "bundle") == nil)
        #expect(StepOutcome.concluded(JobEnd(.skipped, "no path")).failure(ofStep: "fetch") == nil)
    }

    @Test(
        "the ledger keeps the state, the exit status and the signal",
        arguments: [
            (.succeeded, .succeeded, 0, nil), (.exited(status: 3), .failed, 3, nil), (.signalled(15), .failed, nil, 15),
            (.exceeded(.silence(.seconds(1))), .failed, nil, nil), (.stopped, .cancelled, nil, nil),
            (.failed(reason: "x"), .failed, nil, nil),
            (.concluded(JobEnd(.superseded, "x")), .succeeded, nil, nil),
        ] as [(StepOutcome, StepRecord.State, Int32?, Int32?)])
    func recorded(outcome: StepOutcome, state: StepRecord.State, status: Int32?, signal: Int32?) {
        #expect(outcome.recordedState == state)
        #expect(outcome.exitStatus == status)
        #expect(outcome.signal == signal)
    }

    @Test("a job has ended in every state but two")
    func endedStates() {
        #expect(Job.State.allCases.filter { !$0.isEnded } == [.queued, .running])
        #expect(Job.Cause.allCases.map(\.rawValue) == ["push", "manual", "retry", "rollback", "catch-up"])
    }
}
