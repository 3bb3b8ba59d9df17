using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using OrleansPd.Net.Sockets;

namespace OrleansPd.Net.Tests.Sockets;

/// <summary>An event loop that fails, stops, and reports its size.</summary>
public sealed class SocketLoopTests : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    private readonly List<IDisposable> _open = [];
    private readonly ConcurrentQueue<Exception> _failures = new();
    private readonly SocketLoops _loops;

    public SocketLoopTests()
    {
        Assert.SkipUnless(SocketLoops.IsSupported, "socket loops need Linux on x86-64 or ARM64");
        _loops = new SocketLoops(1);
        _loops.SocketFailed += _failures.Enqueue;
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _open.ForEach(one => one.Dispose());
        _loops?.Dispose();
    }

    [Fact]
    public async Task A_continuation_that_throws_closes_its_socket_and_no_other()
    {
        var (failing, peer) = await PairAsync();
        var (healthy, other) = await PairAsync();
        var failure = new InvalidOperationException("a continuation that fails");
        failing.ReceiveAsync(default).GetAwaiter().UnsafeOnCompleted(() => throw failure);

        await peer.SendAsync("x"u8.ToArray(), Token);
        await ClosedAsync(peer);
        await other.SendAsync("y"u8.ToArray(), Token);

        Assert.Equal(1, await healthy.ReceiveAsync(new byte[10]).AsTask().WaitAsync(Limit, Token));
        Assert.True(failing.IsDisposed);
        Assert.False(_loops.Died.IsCompleted);
        Assert.Same(failure, Assert.Single(_failures));
    }

    [Fact]
    public async Task A_watch_that_throws_closes_its_socket_and_no_other()
    {
        var failure = new InvalidOperationException("a watch that fails");
        var (failing, peer) = await PairAsync(new Watch(failure));
        var (healthy, other) = await PairAsync();
        var reading = failing.ReceiveAsync(new byte[10]);

        peer.Shutdown(SocketShutdown.Send);
        await ClosedAsync(peer);
        await other.SendAsync("y"u8.ToArray(), Token);

        Assert.Equal(0, await reading); // the end had been reported before
        Assert.Equal(1, await healthy.ReceiveAsync(new byte[10]).AsTask().WaitAsync(Limit, Token));
        Assert.Same(failure, Assert.Single(_failures));
    }

    [Fact]
    public async Task A_loop_that_cannot_report_a_failure_ends_with_its_reason_and_closes_its_sockets()
    {
        var failure = new InvalidOperationException("a handler that fails");
        _loops.SocketFailed += _ => throw failure;
        var (failing, peer) = await PairAsync();
        var (waiting, _) = await PairAsync();
        var reading = waiting.ReceiveAsync(new byte[10]).AsTask();
        failing.ReceiveAsync(default).GetAwaiter().UnsafeOnCompleted(() => throw new InvalidOperationException("the first"));

        await peer.SendAsync("x"u8.ToArray(), Token);

        Assert.Same(failure, await _loops.Died.WaitAsync(Limit, Token));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => reading.WaitAsync(Limit, Token));
        await Assert.ThrowsAsync<IOException>(() => PairAsync());
    }

    [Fact]
    public async Task A_stop_closes_all_sockets_and_is_no_failure()
    {
        var (waiting, peer) = await PairAsync();
        var reading = waiting.ReceiveAsync(new byte[10]).AsTask();

        _loops.Dispose();
        _loops.Dispose();

        await Assert.ThrowsAsync<ObjectDisposedException>(() => reading.WaitAsync(Limit, Token));
        await ClosedAsync(peer);
        await Assert.ThrowsAsync<IOException>(() => PairAsync());
        Assert.False(_loops.Died.IsCompleted);
        Assert.Empty(_failures);
    }

    [Fact]
    public async Task A_loop_counts_its_sockets_and_events()
    {
        var loop = Assert.Single(_loops.Loops);
        Assert.Equal(0, loop.Sockets);
        var (first, peer) = await PairAsync();
        _ = await PairAsync();
        var before = loop.Events;

        var reading = first.ReceiveAsync(new byte[10]).AsTask();
        await peer.SendAsync("x"u8.ToArray(), Token);
        await reading.WaitAsync(Limit, Token);

        Assert.True(loop.Events > before);
        Assert.Equal(2, loop.Sockets);
        first.Dispose();
        Assert.Equal(1, loop.Sockets);
        Assert.Equal(0, loop.Deferred);
    }

    /// <summary>Waits until the peer of a socket sees the end or a reset.</summary>
    private static async Task ClosedAsync(Socket peer)
    {
        try
        {
            Assert.Equal(0, await peer.ReceiveAsync(new byte[10], Token).AsTask().WaitAsync(Limit, Token));
        }
        catch (SocketException e)
        {
            Assert.Equal(SocketError.ConnectionReset, e.SocketErrorCode);
        }
    }

    private async Task<(LoopSocket Ours, Socket Peer)> PairAsync(ILoopWatch? watch = null)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var peer = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        _open.Add(peer);
        await peer.ConnectAsync(listener.LocalEndpoint, Token);
        var ours = new LoopSocket(_loops.Next(), await listener.AcceptSocketAsync(Token), watch);
        _open.Add(ours);
        ours.Start();
        return (ours, peer);
    }

    private sealed class Watch(Exception failure) : ILoopWatch
    {
        public void Ended(bool broken) => throw failure;
    }
}
