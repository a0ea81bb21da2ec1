import Crypto

/// The check of `X-Hub-Signature`: `sha256=` and the HMAC-SHA256 of the raw body in hexadecimal.
///
/// Source: Atlassian, "Manage webhooks". GitHub's header of the same name holds SHA-1; that and everything else is refused.
package enum Signature {
    package enum Outcome: Sendable, Equatable {
        /// By the secret at this place of the list.
        case valid(secret: Int)
        /// No header at all.
        case missing
        /// Not `sha256=` followed by 64 hexadecimal digits.
        case malformed
        case wrong
    }

    /// Compares in constant time with each of the secrets in turn (two while one is being rotated), before anything is parsed.
    package static func check(_ header: String?, body: some ContiguousBytesOfBody, secrets: [Secret]) -> Outcome {
        guard let header else { return .missing }
        guard let code = code(in: header) else { return .malformed }
        return secrets.firstIndex { isValid(code, body: body, secret: $0) }.map { .valid(secret: $0) } ?? .wrong
    }

    /// What a forge sends along with this body.
    package static func header(for body: [UInt8], secret: Secret) -> String {
        var hmac = HMAC<SHA256>(key: secret.withBytes { SymmetricKey(data: $0) })
        hmac.update(data: body)
        return "sha256=" + Hexadecimal.text(of: Array(hmac.finalize()))
    }

    private static func isValid(_ code: [UInt8], body: some ContiguousBytesOfBody, secret: Secret) -> Bool {
        guard secret.count > 0 else { return false }
        var hmac = HMAC<SHA256>(key: secret.withBytes { SymmetricKey(data: $0) })
        body.withBodyBytes { hmac.update(data: $0) }
        // HashedAuthenticationCode compares with other bytes in constant time (swift-crypto, `safeCompare`).
        return hmac.finalize() == code
    }

    private static func code(in header: String) -> [UInt8]? {
        guard header.hasPrefix("sha256="), header.utf8.count == 7 + 64 else { return nil }
        return Hexadecimal.bytes(ofDigits: header.utf8.dropFirst(7))
    }

    /// SHA-256 of a body, by which two deliveries with one request id are known to be the same.
    package static func hash(of body: some ContiguousBytesOfBody) -> [UInt8] {
        var hash = SHA256()
        body.withBodyBytes { hash.update(bufferPointer: $0) }
        return Array(hash.finalize())
    }
}

/// A request body whose bytes can be looked at in place, so that a listener's buffer is hashed without a copy.
package protocol ContiguousBytesOfBody {
    func withBodyBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result
}

extension [UInt8]: ContiguousBytesOfBody {
    package func withBodyBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        try withUnsafeBytes(body)
    }
}
