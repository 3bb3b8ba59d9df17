using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using OrleansPd.Net.Sockets;

namespace OrleansPd.Net.Tests.Sockets;

public sealed class LoopSocketTests : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    private readonly List<IDisposable> _open = [];

    public LoopSocketTests()
    {
        Assert.SkipUnless(SocketLoops.IsSupported, "socket loops need Linux on x86-64 or ARM64");
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _open.ForEach(one => one.Dispose());

    [Fact]
    public async Task Sent_bytes_are_received_and_then_the_end_as_often_as_asked()
    {
        var (ours, theirs) = await PairAsync();
        await theirs.SendAsync("abc"u8.ToArray(), Token);
        theirs.Shutdown(SocketShutdown.Send);
        var into = new byte[10];

        Assert.Equal("abc"u8.ToArray(), await ReadAsync(ours, 3));
        Assert.Equal(0, await Soon(ours.ReceiveAsync(into)));
        Assert.Equal(0, await Soon(ours.ReceiveAsync(into)));
        Assert.Equal(0, await Soon(ours.ReceiveAsync(default)));
        Assert.True(ours.HasEnded && ours.TryReceive(into, out var read) && read == 0);

        await ours.SendAsync("still"u8.ToArray()); // half closed
        Assert.Equal("still", await TextAsync(theirs, 5));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(10)]
    [InlineData(11)]
    public async Task Full_and_short_reads_lose_no_bytes_that_arrive_later(int size)
    {
        var (ours, theirs) = await PairAsync();
        for (var round = 0; round < 20; round++)
        {
            var sent = Enumerable.Range(round, 10).Select(i => (byte)i).ToArray();
            var reading = ReadAsync(ours, sent.Length, size);
            await theirs.SendAsync(sent, Token);
            Assert.Equal(sent, await Soon(reading));
            Assert.False(ours.TryReceive(new byte[1], out _));
        }
    }

    [Fact]
    public async Task A_wait_for_readability_consumes_nothing_and_outlasts_failed_receives()
    {
        var (ours, theirs) = await PairAsync();
        var into = new byte[10];
        for (var round = 0; round < 100; round++)
        {
            var waiting = ours.ReceiveAsync(default).AsTask();
            Assert.False(ours.TryReceive(into, out _));
            Assert.False(waiting.IsCompleted);
            await theirs.SendAsync(new byte[] { (byte)round }, Token);
            Assert.Equal(0, await Soon(waiting));
            Assert.True(ours.IsReadable && ours.TryReceive(into, out var read) && read == 1);
            Assert.Equal(round, into[0]);
        }
    }

    [Fact]
    public async Task A_receive_during_a_pending_wait_takes_the_bytes_and_the_wait_completes_on_later_ones()
    {
        var (ours, theirs) = await PairAsync();
        var into = new byte[10];
        for (var round = 0; round < 100; round++)
        {
            var waiting = ours.ReceiveAsync(into.AsMemory(0, 1)).AsTask();
            await theirs.SendAsync("x"u8.ToArray(), Token);
            var wasTaken = ours.TryReceive(into.AsSpan(1, 1), out _);
            if (wasTaken)
                await theirs.SendAsync("x"u8.ToArray(), Token);
            Assert.Equal(1, await Soon(waiting));
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_pending_read_completes_on_an_end_and_fails_on_a_reset(bool reset)
    {
        var (ours, theirs) = await PairAsync();
        var reading = ours.ReceiveAsync(new byte[10]).AsTask();
        Close(theirs, reset);
        if (reset)
        {
            var broken = await Assert.ThrowsAsync<SocketException>(() => Soon(reading));
            Assert.Equal(SocketError.ConnectionReset, broken.SocketErrorCode);
        }
        else
        {
            Assert.Equal(0, await Soon(reading));
        }
    }

    [Fact]
    public async Task The_watch_is_notified_of_an_end_without_a_read()
    {
        foreach (var reset in new[] { false, true })
        {
            var watch = new Watch();
            var (_, theirs) = await PairAsync(watch);
            await theirs.SendAsync(new byte[100], Token);
            Close(theirs, reset);
            Assert.Equal(reset, await Soon(watch.Told.Task));
        }
    }

    [Fact]
    public async Task A_pending_send_fails_on_a_reset()
    {
        var (ours, theirs) = await PairAsync();
        var sending = ours.SendAsync(new byte[32 * 1024 * 1024]).AsTask();
        Assert.False(sending.IsCompleted);
        Close(theirs, reset: true);
        await Assert.ThrowsAsync<SocketException>(() => Soon(sending));
        await Assert.ThrowsAsync<SocketException>(() => Soon(ours.SendAsync("x"u8.ToArray()).AsTask()));
    }

    [Fact]
    public async Task A_reset_is_seen_by_the_peer_as_a_reset()
    {
        var (ours, theirs) = await PairAsync();
        ours.Reset();
        var broken = await Assert.ThrowsAsync<SocketException>(async () => await theirs.ReceiveAsync(new byte[1], Token));
        Assert.Equal(SocketError.ConnectionReset, broken.SocketErrorCode);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => Soon(ours.ReceiveAsync(new byte[1])));
    }

    [Fact]
    public async Task Bytes_that_do_not_fit_the_send_buffer_are_sent_as_the_peer_reads()
    {
        var (ours, theirs) = await PairAsync();
        var sent = Bytes(24 * 1024 * 1024, 7);
        var sending = ours.SendAsync(sent).AsTask();
        Assert.False(sending.IsCompleted);
        Assert.Equal(sent, await Soon(ReadAsync(theirs, sent.Length)));
        await Soon(sending);
    }

    [Fact]
    public async Task Both_directions_work_at_the_same_time()
    {
        var (ours, theirs) = await PairAsync();
        var (there, back) = (Bytes(8 * 1024 * 1024, 1), Bytes(8 * 1024 * 1024, 2));
        var sending = Task.WhenAll(
            ours.SendAsync(there).AsTask(), Task.Run(async () => await SendAllAsync(theirs, back), Token));
        var read = await Soon(Task.WhenAll(ReadAsync(theirs, there.Length), ReadAsync(ours, back.Length, 10_000)));
        Assert.Equal(there, read[0]);
        Assert.Equal(back, read[1]);
        await Soon(sending);
    }

    [Theory]
    [InlineData(new int[0])]
    [InlineData(new[] { 0 })]
    [InlineData(new[] { 5, 0, 0 })]
    [InlineData(new[] { 0, 0, 5 })]
    [InlineData(new[] { 0, 5, 0, 7, 0 })]
    [InlineData(new[] { 1, 1_000_000, 1, 0, 3_000_000, 2, 5_000_000, 0 })]
    public async Task Segments_arrive_in_order(int[] sizes)
    {
        foreach (var first in new[] { 0, 3 })
        {
            var (ours, theirs) = await PairAsync();
            var head = Bytes(first, 1);
            var segments = sizes.Select((size, i) => Bytes(size, i)).ToArray();
            byte[] all = [.. head, .. segments.SelectMany(s => s), (byte)'.'];
            var sending = ours.SendAsync(head, [.. segments.Select(s => (ReadOnlyMemory<byte>)s)]).AsTask();
            var reading = ReadAsync(theirs, all.Length);
            await Soon(sending);
            await ours.SendAsync("."u8.ToArray());
            Assert.Equal(all, await Soon(reading));
        }
    }

    [Fact]
    public async Task A_thousand_segments_arrive()
    {
        var (ours, theirs) = await PairAsync();
        var random = new Random(3);
        var segments = Enumerable.Range(0, 1000).Select(i => Bytes(random.Next(0, 5000), i)).ToArray();
        byte[] all = [.. segments.SelectMany(s => s)];
        var reading = ReadAsync(theirs, all.Length);
        await Soon(ours.SendAsync(default, [.. segments.Select(s => (ReadOnlyMemory<byte>)s)]).AsTask());
        Assert.Equal(all, await Soon(reading));
    }

    [Fact]
    public async Task Trailing_empty_segments_do_not_delay_the_last_packet()
    {
        var (ours, theirs) = await PairAsync();
        var clock = Stopwatch.StartNew();
        for (var i = 0; i < 100; i++)
        {
            await ours.SendAsync("ab"u8.ToArray(), ["c"u8.ToArray(), default, default]);
            Assert.Equal("abc", await TextAsync(theirs, 3));
        }
        // A packet that is held back takes 200 ms each time.
        Assert.InRange(clock.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(10));
    }

    [Fact]
    public async Task A_close_on_another_thread_ends_pending_waits()
    {
        for (var round = 0; round < 20; round++)
        {
            var (ours, _) = await PairAsync();
            var reading = ours.ReceiveAsync(round % 2 == 0 ? new byte[10] : default).AsTask();
            var writing = ours.SendAsync(new byte[16 * 1024 * 1024]).AsTask();
            await Task.WhenAll(Task.Run(ours.Dispose, Token), Task.Run(ours.Dispose, Token));
            await Assert.ThrowsAsync<ObjectDisposedException>(() => Soon(reading));
            await Assert.ThrowsAsync<ObjectDisposedException>(() => Soon(writing));
            await Assert.ThrowsAsync<ObjectDisposedException>(() => Soon(ours.ReceiveAsync(new byte[10])));
            await Assert.ThrowsAsync<ObjectDisposedException>(() => Soon(ours.SendAsync(new byte[10]).AsTask()));
            Assert.Throws<ObjectDisposedException>(() => ours.TryReceive(new byte[10], out _));
            ours.Shutdown();
        }
    }

    [Fact]
    public async Task Continuations_of_a_close_may_take_locks_that_the_closing_thread_holds()
    {
        var (ours, _) = await PairAsync();
        var gate = new Lock();
        var wentOn = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var reading = ours.ReceiveAsync(new byte[1]).GetAwaiter();
        reading.UnsafeOnCompleted(() =>
        {
            lock (gate)
                wentOn.SetResult();
        });
        lock (gate)
        {
            ours.Dispose();
            Assert.False(wentOn.Task.IsCompleted);
        }
        await Soon(wentOn.Task);
        Assert.Throws<ObjectDisposedException>(() => reading.GetResult());
    }

    [Fact]
    public async Task A_connection_to_a_closed_port_is_refused()
    {
        using var free = new TcpListener(IPAddress.Loopback, 0);
        free.Start();
        var there = (IPEndPoint)free.LocalEndpoint;
        free.Stop();
        var refused = await Assert.ThrowsAsync<SocketException>(() => Soon(ConnectAsync(there, Token)));
        Assert.Equal(SocketError.ConnectionRefused, refused.SocketErrorCode);
    }

    [Fact]
    public async Task A_cancelled_connect_ends()
    {
        using var full = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        full.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        full.Listen(0);
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(Token);
        // The first few fit into the backlog; the others get no answer.
        var there = full.LocalEndPoint!;
        var all = Enumerable.Range(0, 8).Select(_ => ConnectAsync(there, enough.Token).AsTask()).ToArray();
        await Soon(Task.WhenAny(all));
        await enough.CancelAsync();
        var cancelled = 0;
        foreach (var one in all)
        {
            try
            {
                (await Soon(one)).Dispose();
            }
            catch (OperationCanceledException)
            {
                cancelled++;
            }
        }
        Assert.InRange(cancelled, 1, 8);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Soon(ConnectAsync(there, enough.Token)));
    }

    [Fact]
    public async Task A_name_is_resolved_and_its_addresses_are_tried_in_order()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var name = new DnsEndPoint("localhost", ((IPEndPoint)listener.LocalEndpoint).Port);
        using var ours = await Soon(ConnectAsync(name, Token));
        using var theirs = await listener.AcceptSocketAsync(Token);
        await ours.SendAsync("hello"u8.ToArray());
        Assert.Equal("hello", await TextAsync(theirs, 5));
    }

    [Fact]
    public async Task A_flooded_socket_does_not_starve_the_others_on_its_loop()
    {
        using var enough = new CancellationTokenSource();
        var flooding = new List<Task>();
        // Loops are assigned in rotation, so each loop has one of these sockets.
        for (var i = 0; i < Environment.ProcessorCount; i++)
        {
            var (ours, theirs) = await PairAsync();
            // Wait first, so that it continues on its loop; on another thread it would starve no socket.
            flooding.Add(DrinkAsync(ours, enough.Token));
            flooding.Add(Task.Factory.StartNew(
                () => Flood(theirs, enough.Token), Token, TaskCreationOptions.LongRunning, TaskScheduler.Default));
        }
        for (var i = 0; i < Environment.ProcessorCount; i++)
        {
            var (ours, theirs) = await PairAsync();
            for (var round = 0; round < 5; round++)
            {
                await theirs.SendAsync("?"u8.ToArray(), Token);
                Assert.Equal("?"u8.ToArray(), await Soon(ReadAsync(ours, 1)));
            }
        }
        Assert.DoesNotContain(flooding, task => task.IsCompleted);
        await enough.CancelAsync();
        await Soon(Task.WhenAll(flooding));

        static void Flood(Socket theirs, CancellationToken enough)
        {
            var bytes = new byte[64 * 1024];
            while (!enough.IsCancellationRequested)
                theirs.Send(bytes);
            theirs.Shutdown(SocketShutdown.Send);
        }

        static async Task DrinkAsync(LoopSocket ours, CancellationToken enough)
        {
            // Small reads: there is always more to read, unless the socket is deferred.
            var into = new byte[64 * 1024];
            while (await ours.ReceiveAsync(into.AsMemory(0, enough.IsCancellationRequested ? 65536 : 64))
                .ConfigureAwait(false) > 0)
            {
            }
        }
    }

    [Fact]
    public async Task Many_concurrent_short_connections_carry_their_bytes()
    {
        var only = Environment.GetEnvironmentVariable("ORLEANSPD_SEED");
        var first = only is null ? 1 : int.Parse(only, System.Globalization.CultureInfo.InvariantCulture);
        using var atOnce = new SemaphoreSlim(40);
        await Task.WhenAll(Enumerable.Range(first, only is null ? 600 : 1).Select(async seed =>
        {
            await atOnce.WaitAsync(Token);
            try
            {
                await new LoopSocketRun(seed).RunAsync().WaitAsync(Limit, Token);
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"seed {seed} (repeat with ORLEANSPD_SEED={seed}): {e.Message}", e);
            }
            finally
            {
                atOnce.Release();
            }
        }));
    }

    /// <summary>Bytes whose position is known by their values.</summary>
    internal static byte[] Bytes(int count, int seed)
    {
        var bytes = new byte[count];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    internal static async Task<(LoopSocket Ours, Socket Theirs)> ConnectAsync(ILoopWatch? watch = null)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        if (watch is null)
        {
            var ours = await ConnectAsync(listener.LocalEndpoint, Token);
            return (ours, await listener.AcceptSocketAsync(Token));
        }
        var theirs = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await theirs.ConnectAsync(listener.LocalEndpoint, Token);
        var accepted = new LoopSocket(SocketLoops.Shared.Next(), await listener.AcceptSocketAsync(Token), watch);
        accepted.Start();
        return (accepted, theirs);
    }

    private static ValueTask<LoopSocket> ConnectAsync(EndPoint there, CancellationToken cancellationToken) =>
        LoopConnector.ConnectAsync(SocketLoops.Shared.Next(), there, cancellationToken);

    private static void Close(Socket socket, bool reset)
    {
        if (reset)
            socket.Close(timeout: 0);
        else
            socket.Dispose();
    }

    private static async Task<byte[]> ReadAsync(LoopSocket socket, int count, int size = 64 * 1024)
    {
        var all = new byte[count];
        for (var at = 0; at < count;)
        {
            var read = await socket.ReceiveAsync(all.AsMemory(at, Math.Min(size, count - at))).ConfigureAwait(false);
            Assert.NotEqual(0, read);
            at += read;
        }
        return all;
    }

    private static async Task<byte[]> ReadAsync(Socket socket, int count)
    {
        var all = new byte[count];
        for (var at = 0; at < count;)
        {
            var read = await socket.ReceiveAsync(all.AsMemory(at), Token);
            Assert.NotEqual(0, read);
            at += read;
        }
        return all;
    }

    private static async Task SendAllAsync(Socket socket, byte[] bytes)
    {
        for (var at = 0; at < bytes.Length;)
            at += await socket.SendAsync(bytes.AsMemory(at), Token);
    }

    private static async Task<string> TextAsync(Socket socket, int count) =>
        System.Text.Encoding.ASCII.GetString(await Soon(ReadAsync(socket, count)));

    private static Task<T> Soon<T>(ValueTask<T> task) => Soon(task.AsTask());

    private static Task<T> Soon<T>(Task<T> task) => task.WaitAsync(Limit, Token);

    private static Task Soon(Task task) => task.WaitAsync(Limit, Token);

    private async Task<(LoopSocket Ours, Socket Theirs)> PairAsync(ILoopWatch? watch = null)
    {
        var pair = await ConnectAsync(watch);
        _open.AddRange([pair.Ours, pair.Theirs]);
        return pair;
    }

    private sealed class Watch : ILoopWatch
    {
        public TaskCompletionSource<bool> Told { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Ended(bool broken) => Told.TrySetResult(broken);
    }
}
