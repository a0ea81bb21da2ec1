import Foundation

/// What lighttpd is told for a ``GitWebHost``.
struct GitWebSetup {
    let directory: TemporaryDirectory
    let port: Int
    let prefix: String

    var configurationFile: String { directory.path("lighttpd.conf") }
    var accessLog: String { directory.path("access.log") }
    var errorLog: String { directory.path("error.log") }

    /// The text of lighttpd.conf.
    func configuration(repositories: String, certificates: Certificates, token: String?) async throws -> String {
        let programs = try await Shell.check(["git", "--exec-path"]).output.trimmingCharacters(in: .newlines)
        // The access log goes through a pipe, because lighttpd holds lines for a file back for seconds.
        return """
            server.modules = ("mod_openssl", "mod_auth", "mod_authn_file", "mod_accesslog", "mod_alias", "mod_setenv", "mod_cgi")
            server.document-root = "\(directory.path("www"))"
            server.bind = "127.0.0.1"
            server.port = \(port)
            server.errorlog = "\(errorLog)"
            accesslog.filename = "|exec cat >>\(accessLog)"
            accesslog.format = "%s %u %r"
            ssl.engine = "enable"
            ssl.pemfile = "\(certificates.certificate)"
            ssl.privkey = "\(certificates.key)"
            auth.backend = "plain"
            auth.backend.plain.userfile = "\(directory.path("users"))"
            alias.url = ("\(prefix)" => "\(programs)/git-http-backend/")
            $HTTP["url"] =~ "^\(prefix)" {
                cgi.assign = ("" => "")
                setenv.set-environment = (
                    "GIT_PROJECT_ROOT" => "\(repositories)",
                    "GIT_HTTP_EXPORT_ALL" => "1",
                    "GIT_CONFIG_GLOBAL" => "/dev/null",
                    "GIT_CONFIG_NOSYSTEM" => "1",
                    "GIT_CONFIG_COUNT" => "1",
                    "GIT_CONFIG_KEY_0" => "http.receivepack",
                    "GIT_CONFIG_VALUE_0" => "false"
                )
                \(authentication(token: token))
            }

            """
    }

    private func authentication(token: String?) -> String {
        let basic = #"auth.require = ("" => ("method" => "basic", "realm" => "git", "require" => "valid-user"))"#
        guard let token else { return basic }
        return #"$REQUEST_HEADER["Authorization"] != "Bearer \#(token)" { \#(basic) }"#
    }
}
