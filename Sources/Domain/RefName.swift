/// A full ref name, `refs/heads/…` or `refs/tags/…`, that keeps git's own rules, so that it may be handed to git.
package struct RefName: Sendable, Hashable {
    package enum Kind: Sendable, Hashable { case branch, tag }

    package let kind: Kind
    /// Without `refs/heads/` or `refs/tags/`; may hold slashes.
    package let shortName: String

    /// nil when the name breaks a rule of git-check-ref-format(1), or is longer than 1,000 bytes.
    package init?(_ kind: Kind, _ shortName: String) {
        guard RefName.isWellFormed(shortName) else { return nil }
        self.kind = kind
        self.shortName = shortName
    }

    /// From a full name; nil when it is no branch or tag, or not well formed.
    package init?(full: String) {
        if full.hasPrefix("refs/heads/") {
            self.init(.branch, String(full.dropFirst("refs/heads/".count)))
        } else if full.hasPrefix("refs/tags/") {
            self.init(.tag, String(full.dropFirst("refs/tags/".count)))
        } else {
            return nil
        }
    }

    package var full: String {
        switch kind {
        case .branch: "refs/heads/" + shortName
        case .tag: "refs/tags/" + shortName
        }
    }

    /// Lower case letters, digits and hyphens, at most 63 of them, as host names and unit names want it; never empty.
    package var slug: String {
        var slug = ""
        for character in shortName.lowercased().utf8 {
            let isWord = (0x61...0x7A).contains(character) || (0x30...0x39).contains(character)
            if isWord {
                slug.unicodeScalars.append(Unicode.Scalar(character))
            } else if !slug.isEmpty, slug.last != "-" {
                slug.append("-")
            }
            if slug.utf8.count == 63 { break }
        }
        while slug.last == "-" { slug.removeLast() }
        return slug.isEmpty ? "ref" : slug
    }

    /// git-check-ref-format(1), rules 1 to 10, for what follows `refs/heads/`. Rule 2 (a slash) is met by the prefix.
    private static func isWellFormed(_ name: String) -> Bool {
        guard !name.isEmpty, name.utf8.count <= 1000, name != "@", !name.hasSuffix("."), !name.hasPrefix("-") else {
            return false
        }
        guard !name.contains(".."), !name.contains("@{") else { return false }
        for byte in name.utf8 where byte < 0x21 || byte == 0x7F || forbidden.contains(byte) { return false }
        return name.split(separator: "/", omittingEmptySubsequences: false).allSatisfy {
            !$0.isEmpty && !$0.hasPrefix(".") && !$0.hasSuffix(".lock")
        }
    }

    private static let forbidden = Set("~^:?*[\\".utf8)
}

extension RefName: CustomStringConvertible {
    package var description: String { full }
}
