/// What a queued job waits for, in words.
package struct QueuePlace: Sendable {
    /// A job that waits, with what it locks.
    package struct Waiting: Sendable, Equatable {
        package var job: Job
        package var lock: String

        package init(job: Job, lock: String) {
            self.job = job
            self.lock = lock
        }
    }

    private let holds: [String: Hold]
    private let shortages: [String: String]
    private let workers: Int
    private let runs: Int
    /// The job that has a lock, or will have it before those behind.
    private var holders: [String: Int64]

    /// - Parameters:
    ///   - running: the job that has each lock.
    ///   - shortages: why the jobs of an app wait that could run otherwise.
    package init(running: [String: Int64], holds: [String: Hold], shortages: [String: String], workers: Int) {
        holders = running
        self.holds = holds
        self.shortages = shortages
        self.workers = workers
        runs = running.count
    }

    /// To be asked in the order of the queue, of every job once.
    package mutating func waits(_ waiting: Waiting) -> String {
        let job = waiting.job
        // Until when is told with the hold itself, in the reader's own zone.
        if holds[job.app] != nil, job.cause == .push || job.cause == .catchUp { return "\(job.app) is held" }
        if let holder = holders[waiting.lock] { return "behind job \(holder)" }
        holders[waiting.lock] = job.id
        if let shortage = shortages[job.app] { return shortage }
        if workers == 0 { return "there are no workers (workers: 0)" }
        return runs >= workers ? "for a free worker" : "it is about to start"
    }
}
