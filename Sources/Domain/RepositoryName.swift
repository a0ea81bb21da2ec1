/// A repository as the forge names it in addresses: Cloud `workspace/slug`, Data Center `PROJECT/slug` or `~user/slug`.
/// Two names that differ only in case are one repository.
package struct RepositoryName: Sendable {
    package let owner: String
    package let slug: String

    /// nil unless it is `[A-Za-z0-9._~-]+/[A-Za-z0-9._-]+` and at most 300 bytes.
    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, text.utf8.count <= 300 else { return nil }
        self.init(owner: String(parts[0]), slug: String(parts[1]))
    }

    package init?(owner: String, slug: String) {
        guard Self.isName(owner, also: "~"), Self.isName(slug, also: ""), owner != ".", owner != "..", slug != ".", slug != ".." else {
            return nil
        }
        self.owner = owner
        self.slug = slug
    }

    /// What equality looks at, and what the ledger stores.
    package var folded: String { description.lowercased() }

    private static func isName(_ text: String, also extra: String) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"): true
                default: extra.utf8.contains(byte)
                }
            }
    }
}

extension RepositoryName: Hashable, CustomStringConvertible {
    package static func == (left: RepositoryName, right: RepositoryName) -> Bool { left.folded == right.folded }
    package func hash(into hasher: inout Hasher) { hasher.combine(folded) }
    package var description: String { owner + "/" + slug }
}
