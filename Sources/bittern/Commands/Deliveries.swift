import ArgumentParser
import ControlAPI

struct Deliveries: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List webhook deliveries, the newest first, refused ones too.")

    @OptionGroup var few: LimitOption

    @OptionGroup var options: ReadOptions

    func run() async throws {
        try await options.show(.deliveries(limit: few.limit), as: [DeliveryReply].self, text: Self.text)
    }

    static func text(_ deliveries: [DeliveryReply]) -> String {
        guard !deliveries.isEmpty else { return "No deliveries." }
        var table = Table(["DELIVERY", "RECEIVED", "ACCOUNT", "FROM", "EVENT", "ANSWER", "WHAT CAME OF IT"])
        for delivery in deliveries {
            table.add([
                delivery.id, Terminal.localTime(delivery.received_at), delivery.account ?? "-", delivery.remote_address,
                delivery.event ?? "-",
                String(delivery.answer), Self.outcome(delivery),
            ])
        }
        return table.text
    }

    /// In one line: the jobs it queued, or the first reason why there is none.
    private static func outcome(_ delivery: DeliveryReply) -> String {
        if let reason = delivery.reason { return reason }
        let jobs = delivery.results.compactMap { result in result.job.map { "job \($0) of \(result.app ?? "")" } }
        if !jobs.isEmpty { return jobs.joined(separator: ", ") }
        if let original = delivery.duplicate_of { return "the same as delivery \(original)" }
        return delivery.results.first?.reason ?? "nothing to do"
    }
}
