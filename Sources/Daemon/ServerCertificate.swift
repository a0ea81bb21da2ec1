import Domain
import HummingbirdCore
import Logging
import NIOCore
import NIOSSL
import Synchronization

/// What the hooks listener shows of itself: the certificate and key of the configuration, read when it starts and at each reload.
/// Connections that are open keep the one they began with.
final class ServerCertificate: Sendable {
    private let inUse: Mutex<NIOSSLContext>

    init(_ files: Configuration.TLSFiles) throws {
        inUse = Mutex(try Self.read(files))
    }

    var context: NIOSSLContext { inUse.withLock { $0 } }

    func replace(with context: NIOSSLContext) {
        inUse.withLock { $0 = context }
    }

    /// - Throws: ``StartError`` with a sentence when the files are no pair, or cannot be read.
    static func read(_ files: Configuration.TLSFiles) throws -> NIOSSLContext {
        do {
            let chain = try NIOSSLCertificate.fromPEMFile(files.certificate).map { NIOSSLCertificateSource.certificate($0) }
            let key = try NIOSSLPrivateKey(file: files.key, format: .pem)
            return try NIOSSLContext(configuration: .makeServerConfiguration(certificateChain: chain, privateKey: .privateKey(key)))
        } catch {
            throw StartError("hooks.tls: \(files.certificate) and \(files.key) cannot be used: \(error)")
        }
    }
}

/// Puts TLS before another channel. Hummingbird's own keeps the certificate it was made with.
struct CertifiedChannel<Base: ServerChildChannel>: ServerChildChannel {
    let base: Base
    let certificate: ServerCertificate

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Base.Value> {
        channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: certificate.context))
        }.flatMap {
            base.setup(channel: channel, logger: logger)
        }
    }

    func handle(value: Base.Value, logger: Logger) async {
        await base.handle(value: value, logger: logger)
    }
}
