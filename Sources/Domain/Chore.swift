/// What is to be done around the jobs of an app, and no job waits for.
package enum Chore: Sendable, Equatable, Codable {
    /// Keep what the job left in its caches for the next one.
    case keepCaches(wentLive: Bool)
    /// Make a tree from which the next release is made quickly.
    case prepareTree
    /// Remove a release that the ledger knows.
    case remove(ReleaseTarget)
    /// Have the app's notice at this position tell others how the job ended.
    case notify(position: Int, NoticeSetting.Event, live: ReleaseTarget?)
    /// Forget what jobs left of their caches.
    case clearCaches

    /// What the log of a notice is called.
    package static func noticeName(_ position: Int) -> String { "notice-\(position + 1)" }
}
