import Domain
import Yams

extension ConfigurationFile {
    /// Why there is no tree; never empty.
    struct Unread: Error {
        let problems: [ConfigurationProblem]
    }
}

/// Parses one file. Every scalar stays the text that was written, every key stays, also one that is given twice.
///
/// Takes time and memory in proportion to the file, whatever is in it: aliases count as often as they are used.
func configurationTree(of bytes: [UInt8], file: String) -> Result<ConfigurationTree, ConfigurationFile.Unread> {
    let text: String
    switch utf8Text(bytes) {
    case .success(let valid): text = valid
    case .failure(let place): return .failure(unread(file, place, "this byte is not UTF-8 (save the file as UTF-8)"))
    }
    if let line = YAMLBounds.firstLineBeyond(text) {
        let message = "the file nests too deep or opens too many brackets (put mappings and lists on lines of their own)"
        return .failure(unread(file, TextPlace(line: line), message))
    }
    do {
        let parser = try Parser(yaml: text, encoding: .utf8)
        guard let root = try parser.nextRoot() else {
            return .success(ConfigurationTree(.scalar("", written: false), at: SourcePosition(file: file, line: 1, column: 1)))
        }
        if let second = try parser.nextRoot() {
            return .failure(unread(file, TextPlace(second.mark), "a second document begins here (one file holds one; take out `---`)"))
        }
        return TreeBuilder.tree(of: root, file: file)
    } catch let error as YamlError {
        let (place, message) = error.sentence
        return .failure(unread(file, place, message))
    } catch {
        return .failure(unread(file, TextPlace(), "the file cannot be parsed: \(error)"))
    }
}

private func unread(_ file: String, _ place: TextPlace, _ message: String) -> ConfigurationFile.Unread {
    ConfigurationFile.Unread(problems: [ConfigurationProblem(at: place.position(in: file), message)])
}

/// A line and a column, both counted from 1, the column in Unicode scalars, as libyaml counts. An error where it stands for a byte
/// that belongs to no character.
private struct TextPlace: Error {
    var line = 1
    var column = 1

    init(line: Int = 1, column: Int = 1) {
        self.line = line
        self.column = column
    }

    /// The beginning, where Yams does not say; it says so for everything that it has parsed.
    init(_ mark: Mark?) {
        self.init(line: mark?.line ?? 1, column: mark?.column ?? 1)
    }

    func position(in file: String) -> SourcePosition {
        SourcePosition(file: file, line: line, column: column)
    }
}

/// The text without a byte order mark, or where it stops being UTF-8.
private func utf8Text(_ bytes: [UInt8]) -> Result<String, TextPlace> {
    let bytes = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? bytes.dropFirst(3) : bytes[...]
    if let text = String(validating: bytes, as: UTF8.self) { return .success(text) }
    var place = TextPlace()
    var decoder = UTF8()
    var rest = bytes.makeIterator()
    while case .scalarValue(let scalar) = decoder.decode(&rest) {
        place = scalar == "\n" ? TextPlace(line: place.line + 1) : TextPlace(line: place.line, column: place.column + 1)
    }
    return .failure(place)
}

/// Makes the tree out of what Yams has composed, and holds it to its limits.
private struct TreeBuilder {
    /// Far above what anybody configures, far below what hurts.
    private static let nodeLimit = 10_000
    private static let depthLimit = 100

    private let file: String
    private var nodes = 0
    private var problems: [ConfigurationProblem] = []
    /// A limit was met; there is nothing more to find.
    private var isOver = false

    private init(file: String) {
        self.file = file
    }

    static func tree(of root: Node, file: String) -> Result<ConfigurationTree, ConfigurationFile.Unread> {
        var builder = TreeBuilder(file: file)
        let tree = builder.tree(root, depth: 1)
        return builder.problems.isEmpty ? .success(tree) : .failure(.init(problems: builder.problems))
    }

    private mutating func tree(_ node: Node, depth: Int) -> ConfigurationTree {
        let position = position(of: node)
        let nothing = ConfigurationTree(.scalar("", written: false), at: position)
        guard isWithinLimits(depth, position) else { return nothing }
        switch node {
        case .scalar(let scalar):
            check(scalar.tag, position)
            return ConfigurationTree(.scalar(scalar.string, written: scalar.style != .plain || !scalar.string.isEmpty), at: position)
        case .sequence(let sequence):
            check(sequence.tag, position)
            return ConfigurationTree(.sequence(sequence.map { tree($0, depth: depth + 1) }), at: position)
        case .mapping(let mapping):
            check(mapping.tag, position)
            return ConfigurationTree(.mapping(mapping.compactMap { entry($0.key, $0.value, depth: depth + 1) }), at: position)
        }
    }

    private mutating func entry(_ key: Node, _ value: Node, depth: Int) -> ConfigurationTree.Entry? {
        let keyPosition = position(of: key)
        let value = tree(value, depth: depth)
        guard case .scalar(let scalar) = key else {
            report(keyPosition, "a key must be text (put quotes around a value that begins with `[` or `{`)")
            return nil
        }
        nodes += 1
        check(scalar.tag, keyPosition)
        return ConfigurationTree.Entry(key: scalar.string, keyPosition: keyPosition, value: value)
    }

    private mutating func isWithinLimits(_ depth: Int, _ position: SourcePosition) -> Bool {
        guard !isOver else { return false }
        nodes += 1
        if depth > Self.depthLimit {
            report(position, "the file nests deeper than \(Self.depthLimit) levels (no key needs more than a few)")
            isOver = true
        } else if nodes > Self.nodeLimit {
            report(position, "the file holds more than \(Self.nodeLimit) keys and values, what aliases repeat included (repeat less)")
            isOver = true
        }
        return !isOver
    }

    /// `!release/*` without quotes is a tag and an empty text, which nobody means.
    private mutating func check(_ tag: Tag, _ position: SourcePosition) {
        let name = tag.description
        guard !["", "tag:yaml.org,2002:str"].contains(name) else { return }
        report(position, "`\(name)` is read as a YAML tag, which means nothing here (put quotes around a value that begins with `!`)")
    }

    private mutating func report(_ position: SourcePosition, _ message: String) {
        guard !isOver else { return }
        problems.append(ConfigurationProblem(at: position, message))
    }

    private func position(of node: Node) -> SourcePosition {
        TextPlace(node.mark).position(in: file)
    }
}

/// Yams composes by recursion, a few levels of the stack for each level of the file, so what might nest very deep must be refused
/// before. How deep it really nests only a parser can say; this is a bound that no text can get below.
private enum YAMLBounds {
    private static let bracketLimit = 500
    private static let indentLimit = 500

    /// The line in which a bound is passed; nil: the file may be parsed.
    static func firstLineBeyond(_ text: String) -> Int? {
        var brackets = 0
        for line in text.unicodeScalars.split(whereSeparator: breaks.contains) {
            let (most, left) = openBrackets(in: line)
            // A block begins at the line's first word, behind the dashes and question marks of blocks around it.
            let indent = line.prefix { indentation.contains($0) }.count
            if brackets + most > bracketLimit || indent > indentLimit {
                return text.unicodeScalars[..<line.startIndex].count { $0 == "\n" } + 1
            }
            brackets += left
        }
        return nil
    }

    /// How many brackets the line has open at most, and at its end. What opens anything stands at the beginning of a token. What
    /// closes counts only after an opening one in a line without quotes, comments and tags: there both are brackets, or none is.
    private static func openBrackets(in line: Substring.UnicodeScalarView) -> (most: Int, left: Int) {
        let isPlain = !line.contains(where: hiding.contains)
        var (most, left) = (0, 0)
        var last: Unicode.Scalar = " "
        for scalar in line {
            if opening.contains(scalar), beforeToken.contains(last) {
                left += 1
                most = max(most, left)
            } else if isPlain, closing.contains(scalar), left > 0 {
                left -= 1
            }
            last = scalar
        }
        return (most, left)
    }

    /// Those of YAML 1.1, which is what libyaml reads.
    private static let breaks = Set("\r\n\u{85}\u{2028}\u{2029}".unicodeScalars)
    private static let indentation = Set(" \t-?:".unicodeScalars)
    private static let opening = Set("[{".unicodeScalars)
    private static let closing = Set("]}".unicodeScalars)
    private static let hiding = Set("\"'#!".unicodeScalars)
    private static let beforeToken = Set(" \t[]{},:-?".unicodeScalars)
}

extension YamlError {
    /// Where the text stops being YAML, and why, in one sentence.
    fileprivate var sentence: (TextPlace, String) {
        switch self {
        case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
            .composer(let context, let problem, let mark, _):
            return (TextPlace(mark), Self.sentence(problem, context?.text))
        case .reader(let problem, let offset, _, let yaml):
            return (Self.place(at: offset ?? 0, in: yaml), Self.sentence(problem, nil))
        default:
            return (TextPlace(), "the file cannot be parsed: \(description)")
        }
    }

    private static func sentence(_ problem: String, _ context: String?) -> String {
        let whole = (context.map { $0 + ", " } ?? "") + problem
        let hint = hints.first { whole.contains($0.words) }.map { " (\($0.advice))" } ?? ""
        return "this is not YAML: \(whole)\(hint)"
    }

    /// libyaml's words, and what people usually did.
    private static let hints: [(words: String, advice: String)] = [
        ("mapping values are not allowed", "put quotes around a value that holds `: `, and look at the indentation"),
        ("cannot start any token", "indent with spaces, not tabs; put quotes around a value that begins with @ or `"),
        ("while scanning a tag", "put quotes around a value that begins with `!`"),
        ("found undefined alias", "put quotes around a value that begins with `*`"),
        ("alphabetic or numeric character", "put quotes around a value that begins with `*` or `&`"),
        ("could not find expected ':'", "a key needs `: ` behind it"),
        ("did not find expected ','", "a bracket is not closed, or a value with a comma or bracket needs quotes"),
        ("did not find expected key", "look at the indentation, and at quotes that end too early"),
        ("did not find expected '-' indicator", "look at the indentation"),
        ("unexpected end of stream", "a quote or bracket is not closed"),
        ("control characters are not allowed", "take it out, or write it as \\x… in double quotes"),
    ]

    /// Yams counts in characters of Swift, of which CR LF is one.
    private static func place(at offset: Int, in yaml: String) -> TextPlace {
        let before = yaml.prefix(offset)
        let lineStart = before.lastIndex(where: \.isNewline).map(before.index(after:)) ?? before.startIndex
        return TextPlace(
            line: before.count(where: \.isNewline) + 1,
            column: before[lineStart...].unicodeScalars.count + 1
        )
    }
}
