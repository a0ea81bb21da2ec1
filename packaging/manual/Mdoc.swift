/// Text as the mdoc language wants it (mdoc(7), groff_char(7)).
enum Mdoc {
    /// One or more paragraphs. Each sentence has a line of its own, so that the formatter knows where it ends.
    static func paragraphs(_ text: String) -> [String] {
        let paragraphs = text.split(separator: "\n\n").map { lines(of: $0) }
        return Array(paragraphs.joined(separator: [".Pp"]))
    }

    /// A word for a line that begins with a macro.
    static func argument(_ text: String) -> String {
        let escaped = escape(text).replacing("\"", with: "\\(dq")
        // Otherwise the name of another macro would be one, and a full stop alone would be set behind what comes before it.
        let guarded = text.first.map { $0.isLowercase || $0.isNumber } == true ? escaped : "\\&" + escaped
        return guarded.contains(" ") ? "\"\(guarded)\"" : guarded
    }

    private static func lines(of paragraph: Substring) -> [String] {
        var sentences: [[Substring]] = [[]]
        for word in paragraph.split(whereSeparator: \.isWhitespace) {
            let before = sentences[sentences.count - 1].last
            let beginsSentence = before?.last == "." && word.first?.isUppercase == true
            if beginsSentence { sentences.append([]) }
            sentences[sentences.count - 1].append(word)
        }
        return sentences.filter { !$0.isEmpty }.map { line($0.joined(separator: " ")) }
    }

    private static func line(_ text: String) -> String {
        (text.hasPrefix(".") ? "\\&" : "") + escape(text)
    }

    /// What would come out otherwise than it stands there. A hyphen must stay one that a shell takes.
    private static func escape(_ text: String) -> String {
        text.unicodeScalars.map { scalar in
            switch scalar {
            case "\\": "\\e"
            case "-": "\\-"
            case "'": "\\(aq"
            case "`": "\\(ga"
            case "^": "\\(ha"
            case "~": "\\(ti"
            case _ where scalar.isASCII: String(scalar)
            default: "\\[u\(fourDigits(scalar.value))]"
            }
        }.joined()
    }

    private static func fourDigits(_ value: UInt32) -> String {
        let digits = String(value, radix: 16, uppercase: true)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }
}
