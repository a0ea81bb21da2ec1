/// One mapping of a known kind, on its way to becoming a value.
///
/// Making one already reports every key that is unknown, given twice, without a value or not supported yet; what remains is asked
/// for by name.
struct MappingReader {
    let place: ConfigurationPlace
    /// Where a missing key is reported.
    let position: SourcePosition
    /// Absolute; the directory of the file.
    let directory: String
    let findings: ConfigurationFindings
    private var fields: [String: ConfigurationField] = [:]

    init(
        _ place: ConfigurationPlace, fields: [ConfigurationField], at position: SourcePosition, in directory: String,
        findings: ConfigurationFindings
    ) {
        self.place = place
        self.position = position
        self.directory = directory
        self.findings = findings
        for field in fields {
            guard place.keys.contains(field.name) else {
                reportUnknown(field)
                continue
            }
            if let entry = NotSupportedYet.entry(for: field.name, value: field.tree.value, in: place) {
                findings.error(at: field.keyPosition, "`\(entry)` is not supported yet")
            }
            self.fields[field.name] = field
        }
    }

    /// The top of a file; nil when it is no mapping, which is then reported. `wanted` says what should be there.
    init?(_ place: ConfigurationPlace, file: ConfigurationFile, wanted: String, findings: ConfigurationFindings) {
        switch file.tree.value {
        case .mapping(let entries):
            let fields = ConfigurationField.unique(entries, in: file.directory, findings: findings)
            self.init(place, fields: fields, at: file.tree.position, in: file.directory, findings: findings)
        case .scalar(_, written: false):
            findings.error(at: file.tree.position, "the file is empty (\(wanted))")
            return nil
        case .scalar, .sequence:
            findings.error(at: file.tree.position, "the file is \(file.tree.value.kind), not a mapping (\(wanted))")
            return nil
        }
    }

    /// The same, where the keys that are not there are taken from elsewhere.
    func with(_ defaults: [ConfigurationField]) -> MappingReader {
        var reader = self
        for field in defaults where reader.fields[field.name] == nil { reader.fields[field.name] = field }
        return reader
    }

    /// nil when the key is not there.
    subscript(key: String) -> ConfigurationField? {
        assert(place.keys.contains(key), "\(key) is no key of \(place)")
        return fields[key]
    }

    /// Like the subscript, but a missing key is a problem. `hint` shows what would be right.
    func required(_ key: String, _ hint: String) -> ConfigurationField? {
        if let field = self[key] { return field }
        findings.error(at: position, "`\(key)` is missing (\(hint))")
        return nil
    }

    /// Reports each of `keys` that is there, because it cannot stand where it stands.
    func refuse(_ keys: [String], _ why: String) {
        for key in keys {
            if let field = self[key] { findings.error(at: field.keyPosition, "`\(key)` \(why)") }
        }
    }

    func warn(_ keys: [String], _ why: String) {
        for key in keys {
            if let field = self[key] { findings.warning(at: field.keyPosition, "`\(key)` \(why)") }
        }
    }

    private func reportUnknown(_ field: ConfigurationField) {
        let hint =
            if let near = Spelling.nearest(to: field.name, among: place.keys) {
                " (did you mean `\(near)`?)"
            } else if place.keys.count <= 8 {
                " (known here: \(place.keys.joined(separator: ", ")))"
            } else {
                ""
            }
        findings.error(at: field.keyPosition, "unknown key \(quoted(field.name))\(hint)")
    }
}

extension ConfigurationTree.Value {
    /// For "must be text, not a list".
    var kind: String {
        switch self {
        case .scalar: "text"
        case .sequence: "a list"
        case .mapping: "a mapping"
        }
    }
}

/// A value from a file inside a message: short, and safe on a terminal.
func quoted(_ text: String) -> String {
    "`\(SafeText.shown(text, limit: 100))`"
}
