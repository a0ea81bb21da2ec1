import Domain
import FoundationEssentials
import RunnerAPI

/// Any bytes are a request of the runner's with its fields in their ranges, or malformed; what was read is read again as it was written.
@_cdecl("LLVMFuzzerTestOneInput")
public func tryRequest(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
    let line = Array(UnsafeBufferPointer(start: bytes, count: count))
    guard let request = try? RunnerRequest(line: line) else { return 0 }
    let numbers: ClosedRange<Int64> = 0...1 << 53
    precondition(request.job > 0 && [request.job, request.start, request.round].allSatisfy(numbers.contains))
    precondition((0...10_000).contains(request.position))
    if case .start(let step) = request.verb {
        precondition(NameText.isName(step.app) && step.configurationHash.count == 32 && step.job == request.job)
    }
    guard let written = try? request.line(), (try? RunnerRequest(line: Array(written))) == request else {
        preconditionFailure("a request is not read as it was written")
    }
    return 0
}
