package import Domain

/// What a webhook request says beside its body, and when and from where it came.
package struct ReceivedRequest: Sendable {
    package var headers: WebhookHeaders
    package var remoteAddress: String
    package var receivedAt: Timestamp

    package init(headers: WebhookHeaders, remoteAddress: String, receivedAt: Timestamp) {
        self.headers = headers
        self.remoteAddress = remoteAddress
        self.receivedAt = receivedAt
    }
}

extension Provider {
    /// A verified request as the ledger takes it: read, and matched with the apps that listen where it came in.
    ///
    /// - Parameters:
    ///   - account: whose hook it came to.
    ///   - hookApp: the app whose own hook that is; nil: the account's.
    package func delivery(
        of request: ReceivedRequest, body: some ContiguousBytesOfBody, account: String, hookApp: String?, matcher: Matcher
    ) throws(MalformedDelivery) -> Delivery {
        var push: Push?
        var naming: RepositoryNaming?
        switch try read(request.headers, body: body) {
        case .push(let moved):
            push = moved
            naming = matcher.news(of: moved)
        case .renamed(let id, let from, let to):
            naming = matcher.news(of: id, from: from, to: to)
        case .other: break
        }
        return Delivery(
            account: account, event: SafeText.shown(event(request.headers) ?? "", limit: 100),
            requestID: requestID(request.headers).map { SafeText.shown($0, limit: 100) }, remoteAddress: request.remoteAddress,
            receivedAt: request.receivedAt, bodyHash: Signature.hash(of: body), bodySize: body.withBodyBytes(\.count),
            repository: push.map { SafeText.shown($0.repository, limit: 300) }, changes: push.map(matcher.changes) ?? [], hookApp: hookApp,
            headers: request.headers.shown, naming: naming, leavesRefsOut: push?.leavesRefsOut ?? false)
    }
}
