import Crypto

/// The value of `X-Hub-Signature`, as both kinds of Bitbucket make it.
package enum Signature {
    /// `sha256=` and the HMAC-SHA256 of the body in hexadecimal digits.
    package static func header(for body: [UInt8], secret: String) -> String {
        let code = HMAC<SHA256>.authenticationCode(for: body, using: SymmetricKey(data: Array(secret.utf8)))
        return "sha256=" + code.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
