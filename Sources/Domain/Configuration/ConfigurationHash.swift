import Crypto

extension App {
    /// SHA-256 of everything that is configured for the app but the values of its secrets: two jobs with the same one were run by the same
    /// rules.
    package var configurationHash: [UInt8] {
        Array(SHA256.hash(data: Array(Self.text(of: self).utf8)))
    }

    /// Every property by its name, and what has no order in the order of its text.
    private static func text(of value: Any) -> String {
        let mirror = Mirror(reflecting: value)
        switch mirror.displayStyle {
        case .dictionary, .set:
            return "{" + mirror.children.map { text(of: $0.value) }.sorted().joined(separator: ",") + "}"
        case .none:
            return "\(value)"
        default:
            guard !mirror.children.isEmpty else { return "\(value)" }
            return "(" + mirror.children.map { ($0.label ?? "") + ":" + text(of: $0.value) }.joined(separator: ",") + ")"
        }
    }
}
