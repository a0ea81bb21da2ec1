package import Dispatch

/// Runs actors on a serial dispatch queue, so that blocking work has a thread of its own.
///
/// `DispatchQueue` is no `SerialExecutor` on Linux (swift-corelibs-libdispatch issue 848); this is the one adapter. Actors that share
/// an executor change into each other without a hop.
package final class SerialQueueExecutor: SerialExecutor {
    package let queue: DispatchQueue

    package init(label: String) {
        queue = DispatchQueue(label: label)
    }

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }

    package func checkIsolated() {
        dispatchPrecondition(condition: .onQueue(queue))
    }
}
