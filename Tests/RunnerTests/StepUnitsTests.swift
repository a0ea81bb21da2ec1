import Domain
import RunnerAPI
import Testing

@testable import Runner
@testable import Systemd

struct StepUnitsTests {
    private func outcome(_ result: String, _ code: Int32 = 1, _ status: Int32 = 0, told: StepOutcome? = nil, memory: UInt64? = nil)
        -> StepOutcome
    {
        let state = UnitState(
            active: "failed", sub: "failed", result: result, code: code, status: status, processorTime: nil, memoryLimit: memory,
            hasBegun: true)
        return StepUnits.result(of: state, told: told.map { StepResult($0) }).outcome
    }

    @Test("how a step ended is what its supervisor said, unless the manager knows better")
    func results() {
        #expect(outcome("success", told: .succeeded) == .succeeded)
        #expect(outcome("exit-code", 1, 124, told: .exceeded(.step(.seconds(5)))) == .exceeded(.step(.seconds(5))))
        #expect(outcome("timeout", told: .exceeded(.step(.seconds(5)))) == .exceeded(.step(.seconds(5))))
        #expect(outcome("oom-kill", 2, 9, told: .signalled(9), memory: 2 << 30) == .failed(reason: "killed by the memory limit of 2G"))
        #expect(outcome("oom-kill", 2, 9) == .failed(reason: "killed because the machine had no memory left"))
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
        #expect(outcome("resources", 0, 0) == .failed(reason: "the service manager could not start its unit (resources)"))
    }

    @Test("what a step took is what its supervisor counted, or else the manager")
    func usage() {
        let state = UnitState(
            active: "failed", sub: "failed", result: "oom-kill", code: 2, status: 9, processorTime: 2_500_000_000, memoryLimit: nil,
            hasBegun: true)
        var told = StepResult(.succeeded)
        (told.cpu_ms, told.memory) = (12, 4096)
        #expect(StepUnits.result(of: state, told: told).usage == StepUsage(processorTime: .milliseconds(12), memory: 4096))
        #expect(StepUnits.result(of: state, told: nil).usage == StepUsage(processorTime: .milliseconds(2500)))
    }
}
