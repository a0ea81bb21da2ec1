import Domain
import RunnerAPI
import Testing

@testable import Runner
@testable import Systemd

struct StepUnitsTests {
    private func outcome(_ result: String, _ code: Int32 = 1, _ status: Int32 = 0, told: StepOutcome? = nil) -> StepOutcome {
        let state = UnitState(active: "failed", sub: "failed", result: result, code: code, status: status, processorTime: nil)
        return StepUnits.result(of: state, told: told.map { StepResult($0) }).outcome
    }

    @Test("how a step ended is what its supervisor said, unless the manager knows better")
    func results() {
        #expect(outcome("success", told: .succeeded) == .succeeded)
        #expect(outcome("exit-code", 1, 124, told: .exceeded(.step(.seconds(5)))) == .exceeded(.step(.seconds(5))))
        #expect(outcome("timeout", told: .exceeded(.step(.seconds(5)))) == .exceeded(.step(.seconds(5))))
        #expect(outcome("oom-kill", 2, 9, told: .signalled(9)) == .failed(reason: "killed by the memory limit"))
    }

    @Test("a step that the manager ended for its time was not stopped by anybody")
    func timeout() {
        for told in [nil, StepOutcome.stopped] {
            #expect(outcome("timeout", 2, 15, told: told) == .failed(reason: "it ran longer than it may, and was ended"))
        }
        #expect(outcome("success", told: .stopped) == .stopped)
    }

    @Test("of a supervisor that said nothing the manager knows how it ended")
    func silent() {
        #expect(outcome("exit-code", 1, 125) == .exited(status: 125))
        #expect(outcome("signal", 2, 9) == .signalled(9))
    }
}
