/// A key with its value, or one entry of a list, before anybody knows what is in it.
///
/// Each method reads the value as one kind of thing; when it is none, the method reports that and returns nil. So nil means "already
/// reported", and a caller only gives up.
struct ConfigurationField {
    /// The key; for an entry of a list, the list's key.
    let name: String
    let keyPosition: SourcePosition
    let tree: ConfigurationTree
    /// Absolute; what relative paths are relative to.
    let directory: String
    let findings: ConfigurationFindings

    var position: SourcePosition { tree.position }

    /// Reports what is wrong with the value.
    func report(_ message: String) {
        findings.error(at: position, message)
    }

    /// Reports a value that is text but not of the right form.
    func report(_ text: String, mustBe right: String) {
        report("`\(name)` must be \(right), not \(quoted(text))")
    }

    /// Reports like ``report(_:)`` and returns nil, so that a reader can end with it.
    func refused<Value>(_ message: String) -> Value? {
        report(message)
        return nil
    }

    func refused<Value>(_ text: String, mustBe right: String) -> Value? {
        report(text, mustBe: right)
        return nil
    }

    /// Reports a value of the wrong type, or one that is not there.
    func wrongType<Value>(_ right: String) -> Value? {
        if case .scalar(_, written: false) = tree.value {
            findings.error(at: keyPosition, "`\(name)` has no value (write \(right), or leave the key out)")
        } else {
            findings.error(at: position, "`\(name)` must be \(right), not \(tree.value.kind)")
        }
        return nil
    }

    /// Whether the value is this text.
    func says(_ text: String) -> Bool {
        if case .scalar(text, _) = tree.value { true } else { false }
    }
}

// MARK: - Lists and mappings

extension ConfigurationField {
    /// The entries of a list, which may be empty.
    func items(_ right: String = "a list") -> [ConfigurationField]? {
        guard case .sequence(let items) = tree.value else { return wrongType(right) }
        return items.map(item)
    }

    /// The entries of a list with at least one, or the one value that stands in a list's stead.
    func oneOrMore(_ right: String = "one value or a list") -> [ConfigurationField]? {
        switch tree.value {
        case .sequence(let items):
            guard !items.isEmpty else { return refused("`\(name)` must be \(right), not an empty list") }
            return items.map(item)
        case .scalar(_, written: true), .mapping:
            return [self]
        case .scalar(_, written: false):
            return wrongType(right)
        }
    }

    /// A mapping of a known kind. What is missing in it is reported at the key.
    func mapping(_ place: ConfigurationPlace) -> MappingReader? {
        guard let fields = namedFields("a mapping") else { return nil }
        return MappingReader(place, fields: fields, at: keyPosition, in: directory, findings: findings)
    }

    /// A mapping whose keys the user makes up, each once.
    func namedFields(_ right: String) -> [ConfigurationField]? {
        guard case .mapping(let entries) = tree.value else { return wrongType(right) }
        return Self.unique(entries, in: directory, findings: findings)
    }

    /// The first of each key; every other is reported with the line of the first.
    static func unique(
        _ entries: [ConfigurationTree.Entry], in directory: String, findings: ConfigurationFindings
    ) -> [ConfigurationField] {
        var first: [String: SourcePosition] = [:]
        return entries.compactMap { entry in
            if let earlier = first[entry.key] {
                findings.error(at: entry.keyPosition, "\(quoted(entry.key)) is given twice (first in line \(earlier.line))")
                return nil
            }
            first[entry.key] = entry.keyPosition
            return ConfigurationField(
                name: entry.key, keyPosition: entry.keyPosition, tree: entry.value, directory: directory, findings: findings
            )
        }
    }

    private func item(_ tree: ConfigurationTree) -> ConfigurationField {
        ConfigurationField(name: name, keyPosition: tree.position, tree: tree, directory: directory, findings: findings)
    }
}
