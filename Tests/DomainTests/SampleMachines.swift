import Testing

@testable import Domain

extension JobMachine {
    /// A queued job of these steps.
    ///
    /// - Parameters:
    ///   - back: those that go back to release 41.
    ///   - onFailure: what happens without them.
    static func ofSteps(
        _ steps: (PlannedStep.Stage, String)..., back: [(PlannedStep.Stage, String)] = [], onFailure: Plan.OnFailure = .keep
    ) throws -> JobMachine {
        var plan = Plan(app: try app(), job: try DomainTests.job(ref: nil), environment: [:], previous: nil, home: "/home")
        let old = ReleaseTarget(release: 41, commit: try DomainTests.commit("b"), path: "/srv/shop/releases/41-bbbbbbb", ref: nil)
        plan.steps = steps.map { PlannedStep(name: $0.1, stage: $0.0, work: .fetch, release: plan.release) }
        plan.revert = back.map { PlannedStep(name: $0.1, stage: $0.0, work: .fetch, release: old) }
        plan.onFailure = back.isEmpty ? onFailure : .goBack(old)
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
