// What a single value can be read as. Nothing is guessed: a scalar is the text that stands in the file.

extension ConfigurationField {
    /// Any text, also an empty or a long one, but nothing that a C string cannot hold.
    func anyText(_ right: String = "text") -> String? {
        guard case .scalar(let text, written: true) = tree.value else { return wrongType(right) }
        guard !text.utf8.contains(0) else { return refused("`\(name)` holds a NUL character (leave it out)") }
        return text
    }

    /// One line that says something.
    func text(_ right: String = "text") -> String? {
        guard let text = anyText(right) else { return nil }
        guard !text.isEmpty else { return refused("`\(name)` must be \(right), not empty") }
        guard text.unicodeScalars.allSatisfy(SafeText.isHarmless) else {
            return refused(text, mustBe: "\(right) without control characters")
        }
        return text
    }

    /// A name of an account, app or step.
    func nameText() -> String? {
        guard let text = text("a name") else { return nil }
        return NameText.isName(text) ? text : refused(text, mustBe: "a name (\(NameText.rule))")
    }

    /// `true` or `false`.
    func flag() -> Bool? {
        guard let text = text("true or false") else { return nil }
        switch text {
        case "true": return true
        case "false": return false
        default: return refused(text, mustBe: "true or false")
        }
    }

    /// One of a few words.
    func choice(_ words: [String]) -> String? {
        let right = "one of \(words.joined(separator: ", "))"
        guard let text = text(right) else { return nil }
        guard !words.contains(text) else { return text }
        let hint = Spelling.nearest(to: text, among: words).map { " (did you mean `\($0)`?)" } ?? ""
        return refused("`\(name)` must be \(right), not \(quoted(text))\(hint)")
    }

    /// Decimal digits without sign or leading zero, so that every number has one way to be written.
    func wholeNumber(in range: ClosedRange<Int>) -> Int? {
        let right = "a whole number from \(range.lowerBound) to \(range.upperBound)"
        guard let text = text(right) else { return nil }
        guard let number = Int(text), String(number) == text, range.contains(number) else { return refused(text, mustBe: right) }
        return number
    }

    /// A time longer than nothing, unless `allowsZero`.
    func duration(allowsZero: Bool = false) -> Duration? {
        guard let text = text(DurationText.form) else { return nil }
        guard let duration = DurationText.duration(text) else { return refused(text, mustBe: DurationText.form) }
        guard allowsZero || duration > .zero else { return refused("`\(name)` must be longer than \(quoted(text))") }
        return duration
    }

    /// A number of bytes in `range`.
    func size(in range: ClosedRange<Int>) -> Int? {
        guard let text = text(SizeText.form) else { return nil }
        guard let size = SizeText.bytes(text) else { return refused(text, mustBe: SizeText.form) }
        guard range.contains(size) else {
            return refused(text, mustBe: "from \(SizeText.text(of: range.lowerBound)) to \(SizeText.text(of: range.upperBound))")
        }
        return size
    }

    /// An absolute path; a relative one is taken from the directory of the file.
    func path(_ right: String = "a path") -> String? {
        text(right).map { PathText.absolute($0, in: directory) }
    }

    /// A path below some directory that is not known yet, as it was written.
    func pathInside() -> String? {
        guard let text = text("a relative path") else { return nil }
        let parts = text.split(separator: "/")
        guard !text.hasPrefix("/"), !parts.isEmpty, !parts.contains("..") else {
            return refused(text, mustBe: "a relative path without `..`")
        }
        return text
    }

    func glob() -> Glob? {
        guard let text = text("a pattern") else { return nil }
        return Glob(text) ?? refused(text, mustBe: "a pattern (a `[` needs its `]`)")
    }

    /// A list of patterns for names, of which one must let something in, or the others exclude from nothing.
    func globs() -> [Glob]? {
        guard let items = items("a list of patterns") else { return nil }
        let globs = items.compactMap { $0.glob() }
        guard globs.count == items.count else { return nil }
        guard globs.isEmpty || globs.contains(where: { !$0.excludes }) else {
            return refused("`\(name)` only excludes (add a pattern without `!`)")
        }
        return globs
    }
}
