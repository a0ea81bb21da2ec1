extension ConfigurationField {
    /// `NAME: value` for each; a value may be empty when it is written as `""`.
    func environment() -> [String: String]? {
        guard let fields = namedFields("a mapping of names to values") else { return nil }
        var environment: [String: String] = [:]
        for field in fields where field.checkEnvironmentName() {
            environment[field.name] = field.anyText("text (\"\" for an empty one)")
        }
        return environment
    }

    /// Reports a key that no environment variable of a step may have.
    func checkEnvironmentName() -> Bool {
        guard NameText.isEnvironmentName(name) else {
            findings.error(
                at: keyPosition,
                "\(quoted(name)) is no name of an environment variable (letters, digits and `_`, no digit first)"
            )
            return false
        }
        guard !name.hasPrefix("BITTERN_") else {
            findings.error(at: keyPosition, "\(quoted(name)) begins with BITTERN_, which is bittern's own (use another name)")
            return false
        }
        return true
    }
}
