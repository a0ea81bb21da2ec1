import Crypto
import FoundationEssentials

/// A token that is kept on the disk so that only who has the OAuth consumer's secret can read it: AES-256-GCM (NIST SP 800-38D) with a key
/// made of that secret by HKDF-SHA256 (RFC 5869).
///
/// The secret comes from a credential and lies elsewhere than the file; and when it is another one, the token is of no use anyhow.
package enum SealedToken {
    package static let nonceSize = 12

    /// - Parameters:
    ///   - account: bound to it, so that no account's file serves another.
    ///   - nonce: ``nonceSize`` bytes that were never used before.
    /// - Returns: the text of the file; nil where the nonce has another size.
    package static func seal(_ token: Secret, for account: String, with secret: Secret, nonce: [UInt8]) -> String? {
        guard nonce.count == nonceSize, let nonce = try? AES.GCM.Nonce(data: nonce) else { return nil }  // of that size it is one
        let sealed = token.withBytes {
            try? AES.GCM.seal($0, using: key(of: secret), nonce: nonce, authenticating: Array(account.utf8))  // fails for no token's length
        }
        return sealed?.combined.map { header + Hexadecimal.text(of: Array($0)) + "\n" }
    }

    /// nil where the text is another one, or was sealed for another account or with another secret.
    package static func open(_ text: String, for account: String, with secret: Secret) -> Secret? {
        guard text.hasPrefix(header), text.hasSuffix("\n"),
            let bytes = Hexadecimal.bytes(of: text.dropFirst(header.count).dropLast()),
            let box = try? AES.GCM.SealedBox(combined: bytes),  // too short: nil
            let opened = try? AES.GCM.open(box, using: key(of: secret), authenticating: Array(account.utf8))  // not the one: nil
        else { return nil }
        return Secret(opened)
    }

    private static let header = "bittern-token-1 "

    private static func key(of secret: Secret) -> SymmetricKey {
        HKDF<SHA256>.deriveKey(
            inputKeyMaterial: secret.withBytes { SymmetricKey(data: $0) }, info: Array("bittern refresh token".utf8), outputByteCount: 32)
    }
}
