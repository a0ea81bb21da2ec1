/// One thing that `bittern doctor` looked at, and how it is.
package struct Finding: Sendable, Equatable {
    package enum Level: String, Sendable, CaseIterable {
        /// As it should be.
        case ok
        /// Deploys work, but something is doubtful, or cannot be known here.
        case warning
        /// Something does not work, or others can get at what is the daemon's alone.
        case problem
    }

    /// What was looked at, in a word or a path: `git`, `repository of shop`.
    package let subject: String
    package let level: Level
    /// What was found, without a full stop.
    package let sentence: String
    /// What to do; nil where there is nothing to do.
    package let remedy: String?

    /// Names and paths in the texts may come from outside; they are made harmless here.
    package init(_ level: Level, _ subject: String, _ sentence: String, remedy: String? = nil) {
        self.level = level
        self.subject = SafeText.shown(subject, limit: 200)
        self.sentence = SafeText.shown(sentence)
        self.remedy = remedy.map { SafeText.shown($0) }
    }

    /// A problem out of a phrase that says what to do behind its first semicolon, as errors do; `remedy` is for one that does not.
    init(problem phrase: String, _ subject: String, remedy: String) {
        if let mark = phrase.firstRange(of: "; ") {
            self.init(.problem, subject, String(phrase[..<mark.lowerBound]), remedy: String(phrase[mark.upperBound...]))
        } else {
            self.init(.problem, subject, phrase, remedy: remedy)
        }
    }
}

/// Judges what was observed on a host: observed values in, findings out. Every threshold of `bittern doctor` is here.
package enum Diagnosis {}
