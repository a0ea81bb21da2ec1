import Foundation

/// One webhook request, ready to be sent. Sent twice as it is, it is a re-sent delivery: the request id is the same.
package struct Delivery: Sendable {
    /// All headers but `Host`, `Content-Length` and `Connection`; change or remove them for bad input.
    package var headers: [String: String]
    package var body: [UInt8]

    package init(headers: [String: String], body: [UInt8]) {
        self.headers = headers
        self.body = body
    }

    /// A Bitbucket Cloud delivery with any body, signed where there is a secret.
    package static func cloud(event: String, body: [UInt8], secret: String?, requestID: String = freshID()) -> Delivery {
        Delivery(
            headers: [
                "User-Agent": "Bitbucket-Webhooks/2.0",
                "Content-Type": "application/json",
                "X-Event-Key": event,
                "X-Hook-UUID": "07a11b9b-d82a-4558-a903-8b76e2b541f5",
                "X-Request-UUID": requestID,
                "X-Attempt-Number": "1",
            ],
            body: body
        ).signed(with: secret)
    }

    /// A Bitbucket Data Center delivery with any body, signed where there is a secret.
    package static func dataCenter(event: String, body: [UInt8], secret: String?, requestID: String = freshID()) -> Delivery {
        Delivery(
            headers: [
                "User-Agent": "Atlassian HttpClient 4.2.0 / Bitbucket-9.5.2 (9005002) / Default",
                "Content-Type": "application/json; charset=utf-8",
                "X-Event-Key": event,
                "X-Request-Id": requestID,
            ],
            body: body
        ).signed(with: secret)
    }

    /// What Data Center's *Test connection* sends, which is never signed.
    package static func dataCenterPing() -> Delivery {
        dataCenter(event: "diagnostics:ping", body: Array(#"{"test":true}"#.utf8), secret: nil)
    }

    /// The same with a right signature of its body; without one where there is no secret.
    package func signed(with secret: String?) -> Delivery {
        var copy = self
        copy.headers["X-Hub-Signature"] = secret.map { Signature.header(for: body, secret: $0) }
        return copy
    }

    /// A request id that was not there before.
    package static func freshID() -> String { UUID().uuidString.lowercased() }
}
