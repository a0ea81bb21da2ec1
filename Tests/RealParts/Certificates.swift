/// A certificate authority of a test's own, and a server certificate it signed for 127.0.0.1 and localhost.
package struct Certificates: Sendable {
    /// The authority's certificate, for those who are to trust the server.
    package let authority: String
    /// The server's certificate.
    package let certificate: String
    /// The server's private key.
    package let key: String

    /// Makes them with openssl in a directory, which is made too.
    ///
    /// - Parameter names: further hosts for which the server's is good.
    package init(in directory: String, names: [String] = []) async throws {
        authority = "\(directory)/ca.pem"
        certificate = "\(directory)/server.pem"
        key = "\(directory)/server.key"
        try await Shell.check(["mkdir", "-p", directory])
        let hosts = (["IP:127.0.0.1", "DNS:localhost"] + names.map { "DNS:\($0)" }).joined(separator: ",")
        let newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
        try await Shell.check(
            ["openssl", "req", "-x509", "-subj", "/CN=Bittern test authority", "-keyout", "\(directory)/ca.key", "-out", authority]
                + ["-addext", "keyUsage=critical,keyCertSign,cRLSign"] + newKey
        )
        try await Shell.check(
            ["openssl", "req", "-x509", "-subj", "/CN=127.0.0.1", "-CA", authority, "-CAkey", "\(directory)/ca.key"]
                + ["-addext", "subjectAltName=\(hosts)", "-addext", "basicConstraints=critical,CA:FALSE"]
                + ["-keyout", key, "-out", certificate] + newKey
        )
    }
}
