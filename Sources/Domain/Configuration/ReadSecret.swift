/// What a secret is for, which says how short is too short.
enum SecretUse {
    /// Proves that a delivery comes from the forge.
    case hook
    /// A token, a password, or the environment of a step.
    case shown
    /// A file of its own form.
    case sshKey
}

extension ConfigurationField {
    /// Reads the source that the value names. Never repeats the value: somebody may have written the secret itself.
    func secret(_ use: SecretUse) -> (value: Secret, path: String?)? {
        guard let reference = secretReference() else { return nil }
        if case .credential(let name) = reference { findings.uses(credential: name) }
        switch findings.surroundings.secret(reference) {
        case .value(let secret, let path):
            guard secret.count > 0 else { return refused("`\(name)` names a secret that is empty (write a value into its source)") }
            warnWhenShort(secret, use)
            return (secret, path)
        case .problem(let message):
            return refused("`\(name)`: \(message)")
        case .notChecked:
            guard case .credential(let credential) = reference else {
                return refused("`\(name)` names a secret that cannot be looked at here")
            }
            findings.couldNotCheck(credential: credential, at: position)
            return (Secret([]), nil)
        }
    }

    /// One secret, or two while one is being rotated.
    func hookSecrets() -> [Secret]? {
        guard let items = oneOrMore("a secret or a list of two") else { return nil }
        guard items.count <= 2 else { return refused("`\(name)` must be a secret or a list of two, not of \(items.count)") }
        let secrets = items.compactMap { $0.secret(.hook)?.value }
        guard secrets.count == items.count else { return nil }
        if items.count == 2, items[0].secretText == items[1].secretText {
            return refused("`\(name)` names the same secret twice (the old one and the new one)")
        }
        return secrets
    }

    /// `NAME: credential:…` for each, as environment of steps.
    func secretEnvironment() -> [String: Secret]? {
        guard let fields = namedFields("a mapping of names to secrets") else { return nil }
        var secrets: [String: Secret] = [:]
        for field in fields where field.checkEnvironmentName() {
            if findings.leavesSecretsToRunner {
                if field.secretReference() != nil { secrets[field.name] = Secret([]) }
            } else {
                secrets[field.name] = field.secret(.shown)?.value
            }
        }
        return secrets
    }

    private func secretReference() -> SecretReference? {
        let forms = "credential:NAME, file:PATH or env:NAME"
        guard case .scalar(let text, written: true) = tree.value else { return wrongType(forms) }
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let rest = parts.count == 2 ? String(parts[1]) : ""
        switch String(parts[0]) {
        case "credential" where NameText.isCredentialName(rest):
            return .credential(rest)
        case "file" where !rest.isEmpty && rest.unicodeScalars.allSatisfy(SafeText.isHarmless):
            return .file(PathText.absolute(rest, in: directory))
        case "env" where NameText.isEnvironmentName(rest):
            return .environment(rest)
        default:
            return refused("`\(name)` must name where the secret is and never be the secret itself (\(forms))")
        }
    }

    /// Only to compare; never to show.
    private var secretText: String? {
        if case .scalar(let text, _) = tree.value { text } else { nil }
    }

    private func warnWhenShort(_ secret: Secret, _ use: SecretUse) {
        switch use {
        case .hook where secret.count < 16:
            findings.warning(at: position, "`\(name)` has \(secret.count) bytes and can be guessed (use at least 16)")
        case .shown where secret.count < 6:
            findings.warning(at: position, "`\(name)` has \(secret.count) bytes, too few to be masked in logs (use at least 6)")
        case .hook, .shown, .sshKey:
            break
        }
    }
}
