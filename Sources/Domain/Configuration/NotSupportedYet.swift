/// What the manual promises and this version does not do.
///
/// Each is read and checked like every other key and then refused, because a key that is taken and does nothing is a lie. An entry
/// is a key, or `key: value` where only that value has no effect. To support one, delete its line here and use what was read.
enum NotSupportedYet {
    static let entries: [ConfigurationPlace: Set<String>] = [
        .account: [
            "kind: github",
            "kind: gitlab",
            "kind: gitea",
        ]
    ]

    /// The entry that speaks against `key` with this value, as a person would name it; nil: nothing does.
    static func entry(for key: String, value: ConfigurationTree.Value, in place: ConfigurationPlace) -> String? {
        guard let refused = entries[place] else { return nil }
        if refused.contains(key) { return key }
        guard case .scalar(let text, _) = value else { return nil }
        let pair = "\(key): \(text)"
        return refused.contains(pair) ? pair : nil
    }
}
