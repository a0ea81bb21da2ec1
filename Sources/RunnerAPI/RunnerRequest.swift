package import Domain
package import FoundationEssentials

/// What the daemon asks of the runner: one line of JSON on the runner's socket, one line in answer, and the next.
package struct RunnerRequest: Sendable, Equatable {
    package enum Verb: Sendable, Equatable {
        /// Begins the step; one that was begun already is left alone.
        case start(StepRequest)
        /// Answers when the step has ended.
        case wait
        /// Asks the step to end; the answer does not wait for that.
        case stop
        /// Answers at once whether the step runs, has ended, or was never begun.
        case query
    }

    package var verb: Verb
    package var job: Int64
    /// Which start of the job.
    package var start: Int64
    /// Of a step, in the plan of the job; chores have numbers behind those.
    package var position: Int
    /// Tells those from each other that have all of that in common: a fetch that is done once more, the releases that are removed.
    package var round: Int64

    package init(verb: Verb, job: Int64, start: Int64, position: Int, round: Int64 = 0) {
        self.verb = verb
        self.job = job
        self.start = start
        self.position = position
        self.round = round
    }

    /// In bytes, the line end included. Names and numbers are shorter by far, and the runner reads no further.
    package static let longestLine = 16 << 10

    // MARK: As a line

    package func line() throws -> Data { try RunnerLine.encode(Coded(self)) }

    /// - Throws: ``RunnerLine/Malformed`` for anything that ``line()`` would not have written: a field that is missing, of another type,
    ///   out of its range or of a form that git or the configuration would not allow.
    package init(line: some BidirectionalCollection<UInt8>) throws(RunnerLine.Malformed) {
        self = try RunnerLine.decode(Coded.self, from: line, longest: Self.longestLine).request()
    }

    private struct Coded: Codable {
        struct Release: Codable {
            var release: Int64
            var commit: String
            var ref: String?

            init(_ release: StepRequest.Release) {
                (self.release, commit, ref) = (release.release, release.commit.hex, release.ref?.full)
            }

            func value() throws(RunnerLine.Malformed) -> StepRequest.Release {
                guard (1...1 << 53).contains(release) else { throw RunnerLine.Malformed("release") }
                return StepRequest.Release(
                    release: release, commit: try RunnerLine.commit(commit, "commit of a release"), ref: try RunnerLine.ref(ref))
            }
        }

        var verb: String
        var job: Int64
        var start: Int64
        var position: Int
        var round: Int64?
        var app: String?
        var cause: String?
        var ref: String?
        var commit: String?
        var stage: String?
        var chore: String?
        var went_live: Bool?
        var notice: Int?
        var event: String?
        var state: String?
        var reason: String?
        /// What a chore is about.
        var release: Release?
        /// Milliseconds since 1970.
        var started: Int64?
        var configuration: String?
        var previous: String?
        var target: Release?
        var go_back: Release?
        var access_token: String?

        init(_ request: RunnerRequest) {
            (job, start, position, round) = (request.job, request.start, request.position, request.round == 0 ? nil : request.round)
            switch request.verb {
            case .wait: verb = "wait"
            case .stop: verb = "stop"
            case .query: verb = "query"
            case .start(let step):
                verb = "start"
                (app, cause, ref, commit) = (step.app, step.cause.rawValue, step.ref?.full, step.commit.hex)
                started = step.startedAt.milliseconds
                configuration = Hexadecimal.text(of: step.configurationHash)
                (previous, target, go_back) = (step.previous?.hex, step.target.map(Release.init), step.goBack.map(Release.init))
                access_token = step.accessToken?.withBytes { String(decoding: $0, as: UTF8.self) }
                switch step.work {
                case .step(let stage, _): self.stage = stage.rawValue
                case .chore(.keepCaches(let wentLive)): (chore, went_live) = ("keep-caches", wentLive)
                case .chore(.prepareTree): chore = "prepare-tree"
                case .chore(.clearCaches): chore = "cache-clear"
                case .chore(.remove(let release)): (chore, self.release) = ("remove", Release(release))
                case .chore(.notify(let notice, let event, let state, let reason, let live)):
                    (chore, self.notice, self.event, self.state, self.reason) = ("notify", notice, event.rawValue, state.rawValue, reason)
                    release = live.map(Release.init)
                }
            }
        }

        func request() throws(RunnerLine.Malformed) -> RunnerRequest {
            guard (1...Self.largestNumber).contains(job) else { throw RunnerLine.Malformed("job") }
            guard (0...Self.largestNumber).contains(start) else { throw RunnerLine.Malformed("start") }
            guard (0...10_000).contains(position) else { throw RunnerLine.Malformed("position") }
            guard (0...Self.largestNumber).contains(round ?? 0) else { throw RunnerLine.Malformed("round") }
            let verb: Verb
            switch self.verb {
            case "wait": verb = .wait
            case "stop": verb = .stop
            case "query": verb = .query
            case "start": verb = .start(try step())
            default: throw RunnerLine.Malformed("verb")
            }
            return RunnerRequest(verb: verb, job: job, start: start, position: position, round: round ?? 0)
        }

        /// Of jobs and milliseconds; nothing that is counted here comes near, and all arithmetic stays far from overflow.
        private static let largestNumber: Int64 = 1 << 53

        private func step() throws(RunnerLine.Malformed) -> StepRequest {
            guard let app, NameText.isName(app) else { throw RunnerLine.Malformed("app") }
            guard let cause = cause.flatMap(Job.Cause.init) else { throw RunnerLine.Malformed("cause") }
            guard let hash = configuration.flatMap({ Hexadecimal.bytes(of: $0) }), hash.count == 32 else {
                throw RunnerLine.Malformed("configuration")
            }
            guard let started, (1...Self.largestNumber).contains(started) else { throw RunnerLine.Malformed("started") }
            return StepRequest(
                app: app, job: job, cause: cause, ref: try RunnerLine.ref(ref), commit: try RunnerLine.commit(commit, "commit"),
                work: try work(), startedAt: Timestamp(milliseconds: started), configurationHash: hash,
                previous: try previous.map { text throws(RunnerLine.Malformed) in try RunnerLine.commit(text, "previous") },
                target: try target?.value(), goBack: try go_back?.value(), accessToken: try accessToken())
        }

        /// It becomes part of a header field.
        private func accessToken() throws(RunnerLine.Malformed) -> Secret? {
            guard let access_token else { return nil }
            guard (1...8192).contains(access_token.utf8.count), access_token.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
                throw RunnerLine.Malformed("access_token")
            }
            return Secret(access_token)
        }

        private func work() throws(RunnerLine.Malformed) -> StepRequest.Work {
            guard let chore else {
                guard let stage = stage.flatMap(PlannedStep.Stage.init) else { throw RunnerLine.Malformed("stage") }
                return .step(stage, position: position)
            }
            guard stage == nil else { throw RunnerLine.Malformed("stage") }
            switch chore {
            case "keep-caches":
                guard let went_live else { throw RunnerLine.Malformed("went_live") }
                return .chore(.keepCaches(wentLive: went_live))
            case "prepare-tree": return .chore(.prepareTree)
            case "cache-clear": return .chore(.clearCaches)
            case "remove":
                guard let release else { throw RunnerLine.Malformed("release") }
                return .chore(.remove(try release.value()))
            case "notify": return .chore(try notify())
            default: throw RunnerLine.Malformed("chore")
            }
        }

        private func notify() throws(RunnerLine.Malformed) -> StepRequest.Errand {
            guard let notice, (0...1000).contains(notice) else { throw RunnerLine.Malformed("notice") }
            guard let event = event.flatMap(NoticeSetting.Event.init) else { throw RunnerLine.Malformed("event") }
            guard let state = state.flatMap(Job.State.init), state.isEnded else { throw RunnerLine.Malformed("state") }
            guard let reason, !reason.utf8.contains(0) else { throw RunnerLine.Malformed("reason") }
            return .notify(position: notice, event, state, reason: reason, live: try release?.value())
        }
    }
}

/// What the runner answers.
package enum RunnerReply: Sendable, Equatable {
    /// The step runs: it was begun just now, or before.
    case running
    /// It has ended so.
    case ended(StepResult)
    /// Nobody began it, or what became of it is not known any more: it was lost.
    case unknown
    /// It is not run, and why.
    case refused(String)
    /// It is not run, because the app's configuration is not the one that was asked for.
    case outdated(String)
    /// Nothing can be said now, and why; ask again.
    case later(String)

    /// In bytes, the line end included: what was fetched comes with the message of its commit.
    package static let longestLine = 1 << 20

    package func line() throws -> Data { try RunnerLine.encode(Coded(self)) }

    package init(line: some BidirectionalCollection<UInt8>) throws(RunnerLine.Malformed) {
        self = try RunnerLine.decode(Coded.self, from: line, longest: Self.longestLine).reply()
    }

    private struct Coded: Codable {
        var state: String
        var result: StepResult?
        var reason: String?

        init(_ reply: RunnerReply) {
            switch reply {
            case .running: state = "running"
            case .unknown: state = "unknown"
            case .ended(let result): (state, self.result) = ("ended", result)
            case .refused(let reason): (state, self.reason) = ("refused", reason)
            case .outdated(let reason): (state, self.reason) = ("outdated", reason)
            case .later(let reason): (state, self.reason) = ("later", reason)
            }
        }

        func reply() throws(RunnerLine.Malformed) -> RunnerReply {
            switch (state, result, reason) {
            case ("running", nil, nil): .running
            case ("unknown", nil, nil): .unknown
            case ("ended", let result?, nil): .ended(result)
            case ("refused", nil, let reason?): .refused(reason)
            case ("outdated", nil, let reason?): .outdated(reason)
            case ("later", nil, let reason?): .later(reason)
            default: throw RunnerLine.Malformed("state")
            }
        }
    }
}

/// How both sides write and read.
package enum RunnerLine {
    /// The line is none of the protocol's.
    package struct Malformed: Error, Equatable {
        /// The first field that is not as it should be; `line` where it is no JSON at all.
        package let field: String

        init(_ field: String) { self.field = field }
    }

    static func encode(_ value: some Encodable) throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(value) + [0x0A]
    }

    static func decode<Value: Decodable>(
        _ type: Value.Type, from line: some BidirectionalCollection<UInt8>, longest: Int
    ) throws(Malformed) -> Value {
        guard line.count <= longest, line.last == 0x0A else { throw Malformed("line") }
        do {
            return try JSONDecoder().decode(type, from: Data(line.dropLast()))
        } catch {
            throw Malformed("line")
        }
    }

    static func commit(_ text: String?, _ field: String) throws(Malformed) -> CommitID {
        guard let commit = text.flatMap({ CommitID($0) }) else { throw Malformed(field) }
        return commit
    }

    /// nil for none.
    static func ref(_ text: String?) throws(Malformed) -> RefName? {
        guard let text else { return nil }
        guard let ref = RefName(full: text) else { throw Malformed("ref") }
        return ref
    }
}
