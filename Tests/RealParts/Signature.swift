import Crypto

/// The value of `X-Hub-Signature`, as both kinds of Bitbucket make it.
package enum Signature {
    /// `sha256=` and the HMAC-SHA256 of the body in hexadecimal digits.
    package static func header(for body: [UInt8], secret: String) -> String {
        let code = HMAC<SHA256>.authenticationCode(for: body, using: SymmetricKey(data: Array(secret.utf8)))
        return "sha256=" + hexadecimal(code)
    }

    /// SHA-256 of a text in hexadecimal digits.
    package static func hash(of text: String) -> String { hexadecimal(SHA256.hash(data: Array(text.utf8))) }

    private static func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
