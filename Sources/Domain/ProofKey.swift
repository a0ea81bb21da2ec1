import Crypto

/// By what an OAuth server knows that whoever shows a code is who asked for it (RFC 7636).
package struct ProofKey: Sendable, Equatable {
    /// Shown with the code.
    package let verifier: Secret
    /// Shown when the code is asked for: SHA-256 of the verifier, in base64url without padding (4.2).
    package let challenge: String

    /// - Parameter random: 32 bytes that nobody can guess.
    package init(random: [UInt8]) {
        // 43 characters, as many as a verifier has at least (4.1).
        let text = Self.text(of: random)
        verifier = Secret(text)
        challenge = Self.text(of: Array(SHA256.hash(data: Array(text.utf8))))
    }

    /// Bytes as they may stand in an address.
    package static func text(of bytes: [UInt8]) -> String {
        String(Base64.encode(bytes, alphabet: .url).prefix { $0 != "=" })
    }
}
