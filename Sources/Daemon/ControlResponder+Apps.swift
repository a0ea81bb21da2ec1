import ControlAPI
import Domain
import Exec
import Hummingbird
import Storage

/// What people do to apps.
extension ControlResponder {
    func addApps(to router: Router<ControlContext>) {
        router.post("/apps/:app/hold") { request, context in
            try await hold(app(for: context), Self.body(of: request, as: HoldRequest.self), by: context.requester)
        }
        router.post("/apps/:app/resume") { _, context in try await resume(app(for: context), by: context.requester) }
        router.post("/apps/:app/cache/clear") { _, context in try await clearCache(app(for: context), by: context.requester) }
    }

    private func hold(_ app: App, _ request: HoldRequest, by requester: Requester) async throws -> Response {
        let now = clock.now
        let until = try request.until.map { text in
            guard let until = Timestamp(rfc3339: text) else {
                throw Refused(.badRequest, "\"\(SafeText.shown(text, limit: 60))\" is no time")
            }
            guard until > now else { throw Refused(.badRequest, "the hold would end before it begins; name a later time") }
            return until
        }
        let hold = Hold(
            app: app.name, heldAt: now, until: until, reason: request.reason.map { SafeText.shown($0) }, by: requester.name)
        try await ledger.hold(hold)
        reporter.held(hold)
        // It may end by itself, and the dispatcher has to know when.
        dispatcher.wake()
        return try Self.reply(HoldReply(hold))
    }

    private func resume(_ app: App, by requester: Requester) async throws -> Response {
        let hold = try await ledger.holds(at: clock.now)[app.name]
        guard try await ledger.resume(app: app.name), let hold else { throw Refused(.conflict, "\(app.name) is not held") }
        reporter.resumed(app: app.name, by: requester.name)
        dispatcher.wake()
        return try Self.reply(HoldReply(hold))
    }

    private func clearCache(_ app: App, by requester: Requester) async throws -> Response {
        do {
            try await clearCaches(app)
        } catch {
            throw Refused(.conflict, "the caches of \(app.name) could not be removed: \(error)")
        }
        reporter.cachesCleared(app: app.name, by: requester.name)
        return try Self.reply(AppReply(app))
    }
}
