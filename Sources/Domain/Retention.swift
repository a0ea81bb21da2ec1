/// How long the daemon remembers.
package struct Retention: Sendable, Equatable {
    /// Webhook deliveries with their verdicts.
    package var deliveries: Duration
    /// Ended jobs with their steps.
    package var jobs: Duration
    /// What the steps of ended jobs wrote.
    package var logs: Duration

    package init(
        deliveries: Duration = .seconds(90 * 86_400), jobs: Duration = .seconds(365 * 86_400), logs: Duration = .seconds(90 * 86_400)
    ) {
        self.deliveries = deliveries
        self.jobs = jobs
        self.logs = logs
    }
}
