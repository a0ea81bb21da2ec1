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
        guard let (kind, shortName) = RefName.split(full) else { return nil }
        self.init(kind, shortName)
    }

    /// The kind and the rest of a full name, not yet checked; nil when it is no branch or tag.
    ///
    /// By bytes, as git does it: to Swift a slash and a combining mark behind it are one character.
    package static func split(_ full: String) -> (kind: Kind, shortName: String)? {
        for (kind, prefix) in [(Kind.branch, "refs/heads/"), (.tag, "refs/tags/")] where full.utf8.starts(with: prefix.utf8) {
            return (kind, String(Substring(full.utf8.dropFirst(prefix.utf8.count))))
        }
        return nil
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
        // By bytes, as git does it: to Swift a dot or slash and a combining mark behind it are one character.
        let bytes = Array(name.utf8)
        guard !bytes.isEmpty, bytes.count <= 1000, bytes != [UInt8(ascii: "@")], bytes.first != UInt8(ascii: "-") else { return false }
        var before = UInt8(ascii: "/")
        for byte in bytes {
            guard byte >= 0x21, byte != 0x7F, !isForbidden(byte) else { return false }
            switch (before, byte) {
            case (UInt8(ascii: "."), UInt8(ascii: ".")), (UInt8(ascii: "@"), UInt8(ascii: "{")): return false
            // A component that is empty or begins with a dot.
            case (UInt8(ascii: "/"), UInt8(ascii: "/")), (UInt8(ascii: "/"), UInt8(ascii: ".")): return false
            default: before = byte
            }
        }
        guard before != UInt8(ascii: "."), before != UInt8(ascii: "/") else { return false }
        return bytes.split(separator: UInt8(ascii: "/")).allSatisfy { !$0.suffix(5).elementsEqual(".lock".utf8) }
    }

    private static func isForbidden(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "~"), UInt8(ascii: "^"), UInt8(ascii: ":"), UInt8(ascii: "?"), UInt8(ascii: "*"), UInt8(ascii: "["),
            UInt8(ascii: "\\"):
            true
        default: false
        }
    }
}

extension RefName {
    /// By bytes: two names that are the same only to Unicode ("é" composed or not) are two refs to git.
    package static func == (left: RefName, right: RefName) -> Bool {
        left.kind == right.kind && left.shortName.utf8.elementsEqual(right.shortName.utf8)
    }
}

extension RefName: CustomStringConvertible {
    package var description: String { full }
}
