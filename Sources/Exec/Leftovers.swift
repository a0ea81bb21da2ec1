/// Processes of a job that outlived the daemon that started them.
package enum Leftovers {
    /// Ends every process that carries the job's ``JobMark``, asking first, and waits until they are gone, for at most 6 s.
    /// - Returns: how many there were.
    package static func end(job: Int64, releaseDirectory: String) async -> Int {
        let tree = ProcessTree(group: nil, mark: JobMark(job: job, releaseDirectory: releaseDirectory))
        return await tree.end(grace: .seconds(1), patience: .seconds(5)).count
    }
}
