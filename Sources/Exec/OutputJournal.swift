package import Domain

/// Where the lines of one step's output go beside its log file.
package protocol OutputJournal: Sendable {
    /// Takes lines in their order and returns at once, whatever the journal does: the step waits for it.
    /// - Returns: how many it took, from the first on; the others are lost to the journal.
    func take(_ lines: [[UInt8]]) -> Int

    /// Returns when the lines have been handed over, or soon in any case: what is said of the step afterwards comes after them.
    func settle()
}

/// Gives the step of a job, by its name, its journal; nil where there is none.
package typealias OutputJournals = @Sendable (_ job: Job, _ step: String) -> (any OutputJournal)?
