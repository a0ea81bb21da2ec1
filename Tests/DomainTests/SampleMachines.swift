import Testing

@testable import Domain

extension JobMachine {
    /// A queued job of these steps.
    static func ofSteps(_ steps: (PlannedStep.Stage, String)...) throws -> JobMachine {
        var plan = Plan(app: try app(), job: try DomainTests.job(ref: nil), environment: [:], previous: nil, home: "/home")
        plan.steps = steps.map { PlannedStep(name: $0.1, stage: $0.0, work: .fetch) }
        return JobMachine(job: 42, commit: try DomainTests.commit("a"), plan: plan)
    }
}

/// A job of five steps, queued or running one of them.
func jobMachine(atStep step: Int? = nil) throws -> JobMachine {
    var machine = try JobMachine.ofSteps(
        (.fetch, "fetch"), (.checkout, "checkout"), (.build, "bundle"), (.activate, "activate"), (.deploy, "warm"))
    guard let step else { return machine }
    #expect(machine.start() == .run(step: 0))
    for next in 0..<step { #expect(machine.stepEnded(.succeeded) == .run(step: next + 1)) }
    return machine
}
