/// A pattern for branch and tag names: `*` matches within one segment, `**` across segments, `?` one character but a slash,
/// `[abc]` and `[a-z]` one of those (`[!a]` one of the others); a leading `!` excludes.
package struct Glob: Sendable, Hashable {
    package let pattern: String

    private enum Token: Sendable, Hashable {
        case literal(Unicode.Scalar)
        case one
        case star
        case doubleStar
        case set([ClosedRange<Unicode.Scalar>], inverted: Bool)
    }

    private let tokens: [Token]
    /// Whether a match takes a name out instead of letting it in.
    package let excludes: Bool

    /// nil: a `[` without its `]`, an empty set, nothing to match, or longer than 1,000 bytes.
    package init?(_ pattern: String) {
        guard pattern.utf8.count <= 1000 else { return nil }
        self.pattern = pattern
        excludes = pattern.hasPrefix("!")
        guard let tokens = Self.tokens(of: excludes ? pattern.dropFirst() : pattern[...]), !tokens.isEmpty else { return nil }
        self.tokens = tokens
    }

    /// The name itself, when the pattern has no magic and does not exclude.
    package var literalName: String? {
        guard !excludes else { return nil }
        var name = ""
        for token in tokens {
            guard case .literal(let scalar) = token else { return nil }
            name.unicodeScalars.append(scalar)
        }
        return name
    }

    /// Whether `name` fits the pattern, whatever `excludes` says. Takes time proportional to pattern times name.
    package func matches(_ name: String) -> Bool {
        // One row of "which prefixes of the name fit the tokens so far"; no backtracking, so no pattern is slow.
        let scalars = Array(name.unicodeScalars)
        var reachable = [Bool](repeating: false, count: scalars.count + 1)
        reachable[0] = true
        for token in tokens {
            var next = [Bool](repeating: false, count: scalars.count + 1)
            switch token {
            case .star, .doubleStar:
                let crosses = token == .doubleStar
                var open = false
                for index in 0...scalars.count {
                    if index > 0, !crosses, scalars[index - 1] == "/" { open = false }
                    if reachable[index] { open = true }
                    next[index] = open
                }
            case .literal, .one, .set:
                for index in scalars.indices where reachable[index] && Self.fits(token, scalars[index]) {
                    next[index + 1] = true
                }
            }
            reachable = next
        }
        return reachable[scalars.count]
    }

    private static func fits(_ token: Token, _ scalar: Unicode.Scalar) -> Bool {
        switch token {
        case .literal(let expected): scalar == expected
        case .one: scalar != "/"
        case .set(let ranges, let inverted): scalar != "/" && ranges.contains { $0.contains(scalar) } != inverted
        case .star, .doubleStar: false
        }
    }

    private static func tokens(of text: Substring) -> [Token]? {
        var tokens: [Token] = []
        var rest = text.unicodeScalars[...]
        while let scalar = rest.popFirst() {
            switch scalar {
            case "*":
                if rest.first == "*" {
                    while rest.first == "*" { rest.removeFirst() }
                    tokens.append(.doubleStar)
                } else {
                    tokens.append(.star)
                }
            case "?":
                tokens.append(.one)
            case "[":
                guard let set = set(from: &rest) else { return nil }
                tokens.append(set)
            default:
                tokens.append(.literal(scalar))
            }
        }
        return tokens
    }

    private static func set(from rest: inout Substring.UnicodeScalarView) -> Token? {
        var inverted = false
        if rest.first == "!" || rest.first == "^" {
            inverted = true
            rest.removeFirst()
        }
        var ranges: [ClosedRange<Unicode.Scalar>] = []
        while let scalar = rest.popFirst() {
            if scalar == "]", !ranges.isEmpty { return .set(ranges, inverted: inverted) }
            if rest.first == "-", let end = rest.dropFirst().first, end != "]" {
                guard scalar <= end else { return nil }
                rest.removeFirst(2)
                ranges.append(scalar...end)
            } else {
                ranges.append(scalar...scalar)
            }
        }
        return nil
    }
}

extension [Glob] {
    /// Whether a name is let in: at least one pattern matches and no exclusion does, wherever it stands in the list.
    package func admit(_ name: String) -> Bool {
        contains { !$0.excludes && $0.matches(name) } && !contains { $0.excludes && $0.matches(name) }
    }
}
