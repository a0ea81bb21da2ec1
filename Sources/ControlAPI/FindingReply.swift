package import Domain

/// One line of `doctor`.
package struct FindingReply: Codable, Sendable, Equatable {
    package var subject: String
    /// `ok`, `warning` or `problem`.
    package var level: String
    package var sentence: String
    /// What to do.
    @Nullable package var remedy: String?

    package init(_ finding: Finding) {
        subject = finding.subject
        level = finding.level.rawValue
        sentence = finding.sentence
        remedy = finding.remedy
    }
}
