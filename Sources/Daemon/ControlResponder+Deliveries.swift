import ControlAPI
import Domain
import Hummingbird
import Storage

/// The ledger of webhooks: looked at, explained, and run through matching again.
extension ControlResponder {
    /// How many of those that are compared with another configuration are told at once.
    private static let page = 1000

    func addDeliveries(to router: Router<ControlContext>) {
        router.get("/deliveries") { request, _ in
            let query = request.uri.queryParameters
            guard let since = query["since"].flatMap({ Int64($0) }) else {
                return try Self.reply(try await ledger.deliveries(limit: Self.limit(query)).map(DeliveryReply.init))
            }
            let moment = Timestamp(milliseconds: since)
            let page = try await ledger.verifiedDeliveries(
                since: moment, before: query["before"].flatMap { Int64($0) }, limit: Self.page)
            return try Self.reply(page.map(DeliveryReply.init))
        }
        router.get("/repository-names") { _, _ in try Self.reply(live.inForce.names) }
        router.get("/deliveries/:id") { _, context in try Self.reply(DeliveryReply(try await delivery(context))) }
        router.get("/deliveries/:id/explanation") { _, context in try Self.reply(try await explain(delivery(context))) }
        router.post("/deliveries/:id/replay") { _, context in
            try await replay(delivery(context), by: context.requester)
        }
        router.post("/explain") { request, _ in
            let request = try await Self.body(of: request, as: ExplainRequest.self)
            guard let push = request.push else { throw Refused(.badRequest, "name a branch or a tag") }
            if let sentence = request.unknownAccount(in: configuration) { throw Refused(.notFound, sentence) }
            let holds = try await ledger.holds(at: clock.now)
            return try Self.reply(
                configuration.explanations(of: push, names: live.inForce.names).map { ExplanationReply($0, of: push, hold: holds[$0.app]) })
        }
    }

    private func delivery(_ context: ControlContext) async throws -> StoredDelivery {
        let text = try context.parameters.require("id")
        guard let id = Int64(text), let delivery = try await ledger.delivery(id) else {
            throw Refused(.notFound, "there is no delivery \(SafeText.shown(text, limit: 40)); bittern deliveries lists them")
        }
        return delivery
    }

    private func explain(_ delivery: StoredDelivery) async throws -> [ExplanationReply] {
        let holds = try await ledger.holds(at: clock.now)
        var replies: [ExplanationReply] = []
        let delivery = DeliveryReply(delivery)
        for (place, push) in delivery.pushes.enumerated() {
            let results = delivery.results(ofChange: place)
            for explanation in configuration.explanations(of: push, names: live.inForce.names) {
                let then = results[explanation.app]
                let job: Job? = if let number = then?.job { try await ledger.job(number) } else { nil }
                replies.append(ExplanationReply(explanation, of: push, then: then, job: job, hold: holds[explanation.app]))
            }
        }
        return replies
    }

    private func replay(_ delivery: StoredDelivery, by requester: Requester) async throws -> Response {
        guard let account = delivery.account, delivery.reason == nil else {
            throw Refused(
                .conflict,
                "delivery \(delivery.id) was refused, and of those nothing is kept that could be run; let the forge send it again")
        }
        let doors = live.inForce.doors
        guard let door = delivery.hookApp.map({ doors[account, $0] }) ?? doors[account] else {
            throw Refused(.conflict, "the hook to which delivery \(delivery.id) came is no longer configured")
        }
        let push = Push(repository: delivery.repository ?? "", repositoryID: nil, refs: delivery.refs.map(\.ref))
        let changes = door.matcher.changes(of: push)
        for match in changes.flatMap(\.matches) where match.decision == .deploy {
            try match.app.map { try admit(requester, to: app($0)) }
        }
        let verdicts = try await ledger.replay(
            delivery: delivery.id, Array(zip(changes, delivery.refs.map(\.change))).map { (matched: $0, change: $1) }, by: requester.name,
            at: clock.now)
        for verdict in verdicts where verdict.job != nil { reporter.replayed(verdict, delivery: delivery.id, by: requester.name) }
        dispatcher.wake()
        return try Self.reply(ReplayReply(delivery: delivery.id, verdicts: verdicts))
    }
}

extension DeliveryReply {
    init(_ stored: StoredDelivery) {
        self.init(
            id: stored.id, account: stored.account, event: stored.event, requestID: stored.requestID, remoteAddress: stored.remoteAddress,
            receivedAt: stored.receivedAt, answer: stored.answer, reason: stored.reason, duplicateOf: stored.duplicateOf,
            verdicts: stored.verdicts, repository: stored.repository, hookApp: stored.hookApp, refs: stored.refs.map(\.ref),
            headers: stored.headers)
    }
}
