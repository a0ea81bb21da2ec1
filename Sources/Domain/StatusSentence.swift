/// What the service manager shows of the daemon: one sentence people can read.
package struct StatusSentence: Sendable, Equatable {
    /// One job that runs.
    package struct Running: Sendable, Equatable {
        package var app: String
        package var commit: CommitID
        package var step: String
        package var since: Timestamp

        package init(app: String, commit: CommitID, step: String, since: Timestamp) {
            self.app = app
            self.commit = commit
            self.step = step
            self.since = since
        }
    }

    package var running: [Running]
    package var queued: Int
    package var isStopping: Bool
    /// Why jobs wait that could run; nil: they need not.
    package var shortage: String?

    package init(running: [Running], queued: Int, isStopping: Bool, shortage: String? = nil) {
        self.shortage = shortage
        self.running = running
        self.queued = queued
        self.isStopping = isStopping
    }

    /// `2 running, 1 queued: shop build-1 1a2b3c4 (38 s), …`
    package func text(at now: Timestamp) -> String {
        let prefix = isStopping ? "stopping; " : ""
        guard !running.isEmpty || queued > 0 else { return prefix + (isStopping ? "nothing runs" : "ready, nothing to do") }
        let jobs = running.map { "\($0.app) \($0.step) \($0.commit.short) (\(now.since($0.since).wholeMilliseconds / 1000) s)" }
        let list = jobs.isEmpty ? "" : ": " + jobs.joined(separator: ", ")
        let waiting = shortage.map { queued > 0 ? "; jobs wait, \($0)" : "" } ?? ""
        return prefix + "\(running.count) running, \(queued) queued" + list + waiting
    }
}
