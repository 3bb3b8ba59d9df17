using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.Extensions.Logging.Abstractions;
using OrleansPd.Gateway.Transport;
using OrleansPd.Net.Sockets;

namespace OrleansPd.Gateway.Tests.Transport;

/// <summary>The pipes of a connection without Kestrel: calls that Kestrel makes rarely or never.</summary>
public sealed class LoopConnectionTests : IAsyncDisposable
{
    private const int Much = 24 * 1024 * 1024;

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    private readonly List<IAsyncDisposable> _open = [];

    public LoopConnectionTests()
    {
        Assert.SkipUnless(SocketLoops.IsSupported, "socket loops need Linux on x86-64 or ARM64");
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        foreach (var one in _open)
            await one.DisposeAsync();
    }

    [Fact]
    public async Task Unconsumed_bytes_are_returned_again_with_later_ones()
    {
        var (connection, client) = await PairAsync();
        var input = connection.Transport.Input;
        var sent = Bytes(300_000, 1);
        var sending = SendAsync(client, sent);
        var consumed = 0;
        for (var random = new Random(5); consumed < sent.Length;)
        {
            var read = await Soon(input.ReadAsync(Token));
            var buffer = read.Buffer;
            Assert.True(sent.AsSpan(consumed, (int)buffer.Length).SequenceEqual(buffer.ToArray()), $"wrong behind {consumed}");
            var isAll = consumed + buffer.Length == sent.Length;
            var take = isAll ? buffer.Length : random.NextInt64(buffer.Length + 1);
            // All of it was examined, so that the next read waits for more.
            input.AdvanceTo(buffer.GetPosition(take), buffer.End);
            consumed += (int)take;
        }
        await sending;
        Assert.False(input.TryRead(out _));
    }

    [Fact]
    public async Task Unexamined_bytes_are_returned_again_at_once()
    {
        var (connection, client) = await PairAsync();
        var input = connection.Transport.Input;
        await SendAsync(client, "abc"u8.ToArray());
        var read = await Soon(input.ReadAsync(Token));
        input.AdvanceTo(read.Buffer.GetPosition(1), read.Buffer.GetPosition(2));
        Assert.True(input.TryRead(out read));
        Assert.Equal("bc"u8.ToArray(), read.Buffer.ToArray());
        input.AdvanceTo(read.Buffer.End);
    }

    [Fact]
    public async Task A_cancelled_read_consumes_nothing_and_the_next_one_waits()
    {
        var (connection, client) = await PairAsync();
        var input = connection.Transport.Input;
        for (var round = 0; round < 3000; round++)
        {
            using var enough = new CancellationTokenSource();
            var reading = input.ReadAsync(round % 2 == 0 ? enough.Token : default).AsTask();
            Assert.False(reading.IsCompleted);
            // At this moment a byte arrives, or none.
            var sending = round % 3 == 0 ? Task.Run(() => SendAsync(client, "x"u8.ToArray()), Token) : Task.CompletedTask;
            var came = false;
            if (round % 2 == 0)
            {
                await enough.CancelAsync();
                try
                {
                    came = Take(input, await Soon(reading));
                }
                catch (OperationCanceledException)
                {
                }
            }
            else
            {
                input.CancelPendingRead();
                var read = await Soon(reading);
                came = Take(input, read);
                if (!read.IsCanceled)
                {
                    // The cancellation came too late for this read and applies to the next.
                    read = await Soon(input.ReadAsync(Token));
                    Assert.True(read.IsCanceled);
                    came |= Take(input, read);
                }
            }
            await sending;
            if (round % 3 == 0 && !came)
                Assert.True(Take(input, await Soon(input.ReadAsync(Token))));
            Assert.False(input.TryRead(out _));
        }

        static bool Take(PipeReader input, ReadResult read)
        {
            var came = !read.Buffer.IsEmpty;
            input.AdvanceTo(read.Buffer.End);
            return came;
        }
    }

    [Fact]
    public async Task A_cancelled_read_does_not_continue_on_the_cancelling_thread()
    {
        var (connection, _) = await PairAsync();
        var here = Environment.CurrentManagedThreadId;
        var isCancelling = true;
        var isUnder = IsUnderAsync();
        connection.Transport.Input.CancelPendingRead();
        Volatile.Write(ref isCancelling, false);
        Assert.False(await Soon(isUnder));

        async Task<bool> IsUnderAsync()
        {
            var read = await connection.Transport.Input.ReadAsync(CancellationToken.None).ConfigureAwait(false);
            Assert.True(read.IsCanceled);
            return Volatile.Read(ref isCancelling) && Environment.CurrentManagedThreadId == here;
        }
    }

    [Fact]
    public async Task An_end_is_returned_after_all_bytes_and_cancels_the_request()
    {
        var (connection, client) = await PairAsync();
        await SendAsync(client, "abc"u8.ToArray());
        client.Shutdown(SocketShutdown.Send);
        await ClosedAsync(connection);
        var input = connection.Transport.Input;
        var read = await Soon(input.ReadAsync(Token));
        Assert.Equal("abc"u8.ToArray(), read.Buffer.ToArray());
        input.AdvanceTo(read.Buffer.End);
        read = await Soon(input.ReadAsync(Token));
        Assert.True(read.IsCompleted && read.Buffer.IsEmpty);
        input.AdvanceTo(read.Buffer.End);
    }

    [Fact]
    public async Task An_end_behind_more_than_the_read_ahead_limit_is_found_after_those_bytes()
    {
        var (connection, client) = await PairAsync(receiveBuffer: 1024 * 1024);
        var input = connection.Transport.Input;
        await SendAsync(client, "a"u8.ToArray());
        var read = await Soon(input.ReadAsync(Token));
        await SendAsync(client, new byte[300_000]);
        client.Shutdown(SocketShutdown.Send);
        // Read as a request of known length does: no further read follows its last byte.
        var left = 300_001L;
        while (true)
        {
            left -= read.Buffer.Length;
            input.AdvanceTo(read.Buffer.End);
            if (left == 0)
                break;
            read = await Soon(input.ReadAsync(Token));
        }
        await ClosedAsync(connection);
    }

    [Fact]
    public async Task A_reset_is_thrown_as_a_reset()
    {
        var (connection, client) = await PairAsync();
        var reading = connection.Transport.Input.ReadAsync(CancellationToken.None).AsTask();
        client.Close(timeout: 0);
        await Assert.ThrowsAsync<ConnectionResetException>(() => Soon(reading));
        await Assert.ThrowsAsync<ConnectionResetException>(() => Soon(connection.Transport.Input.ReadAsync(Token)));
        await ClosedAsync(connection);
        connection.Transport.Output.GetSpan(1);
        connection.Transport.Output.Advance(1);
        Assert.True((await Soon(connection.Transport.Output.FlushAsync(Token))).IsCompleted);
        Assert.True((await Soon(connection.Transport.Output.FlushAsync(Token))).IsCompleted);
    }

    [Fact]
    public async Task Pending_calls_receive_the_reason_of_an_abort()
    {
        var (connection, client) = await PairAsync();
        var why = new ConnectionAbortedException("enough");
        var reading = connection.Transport.Input.ReadAsync(CancellationToken.None).AsTask();
        var flushing = connection.Transport.Output.WriteAsync(new byte[Much], CancellationToken.None).AsTask();
        Assert.False(flushing.IsCompleted);
        connection.Abort(why);
        Assert.Same(why, await Assert.ThrowsAsync<ConnectionAbortedException>(() => Soon(reading)));
        Assert.True((await Soon(flushing)).IsCompleted);
        await ClosedAsync(connection);
        var broken = await Assert.ThrowsAsync<SocketException>(async () =>
        {
            while (await client.ReceiveAsync(new byte[64 * 1024], Token) > 0)
            {
            }
        });
        Assert.Equal(SocketError.ConnectionReset, broken.SocketErrorCode);
    }

    [Fact]
    public async Task A_failing_close_callback_affects_nothing_else()
    {
        var (connection, client) = await PairAsync();
        var wasCalled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var failing = connection.ConnectionClosed.Register(() =>
        {
            wasCalled.SetResult();
            throw new InvalidOperationException("a callback that fails");
        });
        client.Close(timeout: 0);
        await Soon(wasCalled.Task);
        await Soon(connection.DisposeAsync().AsTask());
    }

    [Fact]
    public async Task A_body_is_received_into_the_target()
    {
        var (connection, client) = await PairAsync();
        var sent = Bytes(1_000_000, 1);
        var sending = SendAsync(client, sent);
        var (wanted, inPlace) = await AimedAsync(connection, sent.Length, again: true, ahead: false);
        Assert.Equal(sent, wanted);
        Assert.InRange(inPlace, 1, sent.Length);
        await sending;
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Bytes_that_were_read_ahead_are_not_overwritten_in_the_target(bool again)
    {
        for (var seed = 0; seed < 20; seed++)
        {
            var (connection, client) = await PairAsync(receiveBuffer: 512 * 1024);
            byte[] sent = [.. Bytes(400_000, seed), .. "the next request"u8];
            var sending = SendAsync(client, sent);
            var (wanted, _) = await AimedAsync(connection, 400_000, again, ahead: true);
            Assert.True(sent.AsSpan(0, 400_000).SequenceEqual(wanted));
            await sending;
            var read = await Soon(connection.Transport.Input.ReadAtLeastAsync(16, Token));
            Assert.Equal("the next request"u8.ToArray(), read.Buffer.ToArray());
            connection.Transport.Input.AdvanceTo(read.Buffer.End);
        }
    }

    [Fact]
    public async Task Bytes_in_the_target_outlive_the_target()
    {
        var (connection, client) = await PairAsync();
        var place = new byte[100];
        connection.ReceiveInto(place);
        await SendAsync(client, "abc"u8.ToArray());
        var reader = (LoopReader)connection.Transport.Input;
        var read = await Soon(reader.ReadAsync(Token));
        Assert.Equal("abc"u8.ToArray(), place[..3]);
        reader.AdvanceTo(read.Buffer.GetPosition(1), read.Buffer.GetPosition(1));
        connection.ReceiveInto(default);
        place.AsSpan().Clear();
        await SendAsync(client, "def"u8.ToArray());
        read = await Soon(reader.ReadAtLeastAsync(5, Token));
        Assert.Equal("bcdef"u8.ToArray(), read.Buffer.ToArray());
        reader.AdvanceTo(read.Buffer.End);
        Assert.All(place, b => Assert.Equal(0, b));
    }

    [Fact]
    public async Task Writes_may_follow_a_flush_that_is_not_awaited()
    {
        foreach (var byToken in new[] { true, false })
        {
            var (connection, client) = await PairAsync();
            var output = connection.Transport.Output;
            var sent = Bytes(Much + 100_000, 1);
            using var enough = new CancellationTokenSource();
            var flushing = output.WriteAsync(sent.AsMemory(0, Much), byToken ? enough.Token : default).AsTask();
            Assert.False(flushing.IsCompleted);
            if (byToken)
            {
                await enough.CancelAsync();
                await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Soon(flushing));
            }
            else
            {
                output.CancelPendingFlush();
                Assert.True((await Soon(flushing)).IsCanceled);
            }
            var behind = new List<Task<FlushResult>>();
            for (var at = Much; at < sent.Length; at += 10_000)
                behind.Add(output.WriteAsync(sent.AsMemory(at, 10_000), CancellationToken.None).AsTask());
            Assert.DoesNotContain(behind, flush => flush.IsCompleted);
            var received = new byte[sent.Length];
            for (var at = 0; at < received.Length;)
            {
                var read = await Soon(client.ReceiveAsync(received.AsMemory(at), Token));
                Assert.NotEqual(0, read);
                at += read;
            }
            Assert.True(sent.AsSpan().SequenceEqual(received));
            Assert.All(await Soon(Task.WhenAll(behind)), flush => Assert.False(flush.IsCanceled || flush.IsCompleted));
        }
    }

    [Fact]
    public async Task A_flush_that_was_cancelled_before_it_began_is_cancelled_once()
    {
        var (connection, client) = await PairAsync();
        var output = connection.Transport.Output;
        output.CancelPendingFlush();
        Assert.True((await Soon(output.WriteAsync("ab"u8.ToArray(), Token))).IsCanceled);
        Assert.False((await Soon(output.WriteAsync("cd"u8.ToArray(), Token))).IsCanceled);
        var received = new byte[4];
        for (var at = 0; at < 4;)
            at += await Soon(client.ReceiveAsync(received.AsMemory(at), Token));
        Assert.Equal("abcd"u8.ToArray(), received);
    }

    [Fact]
    public async Task A_response_arrives_although_the_request_was_not_read_to_its_end()
    {
        var (connection, client) = await PairAsync(receiveBuffer: 512 * 1024, sendBuffer: 256 * 1024, clientBuffer: 4 * 1024);
        await SendAsync(client, new byte[200_000]);
        var read = await Soon(connection.Transport.Input.ReadAsync(Token));
        connection.Transport.Input.AdvanceTo(read.Buffer.End);
        // Most of it waits in the send buffer for the client to read.
        var answer = Bytes(100_000, 1);
        await Soon(connection.Transport.Output.WriteAsync(answer, Token));
        await connection.Transport.Input.CompleteAsync();
        await connection.Transport.Output.CompleteAsync();
        await connection.DisposeAsync();
        var received = new byte[answer.Length + 1];
        var at = 0;
        while (await Soon(client.ReceiveAsync(received.AsMemory(at), Token)) is var more and > 0)
            at += more;
        Assert.True(answer.AsSpan().SequenceEqual(received.AsSpan(0, at)), $"{at} of {answer.Length} bytes came");
    }

    [Fact]
    public async Task A_stopped_listener_ends_a_pending_accept()
    {
        using var transport = new LoopTransport(new Pools(), TimeProvider.System, NullLogger<LoopTransport>.Instance);
        var listener = await transport.BindAsync(new IPEndPoint(IPAddress.Loopback, 0), Token);
        var accepting = listener.AcceptAsync(Token).AsTask();
        using var other = new LoopTransport(new Pools(), TimeProvider.System, NullLogger<LoopTransport>.Instance);
        await Assert.ThrowsAsync<AddressInUseException>(async () => await other.BindAsync(listener.EndPoint, Token));
        await listener.UnbindAsync(Token);
        Assert.Null(await accepting.WaitAsync(Limit, Token));
        Assert.Null(await Soon(listener.AcceptAsync(Token)));
        await listener.DisposeAsync();
    }

    [Fact]
    public async Task A_connection_has_the_features_that_Kestrel_needs()
    {
        var (connection, client) = await PairAsync();
        Assert.Equal(client.LocalEndPoint, connection.RemoteEndPoint);
        Assert.Equal(client.RemoteEndPoint, connection.LocalEndPoint);
        Assert.NotEmpty(connection.ConnectionId);
        Assert.Same(connection, connection.Features.Get<IConnectionTransportFeature>());
        Assert.Same(connection, connection.Features.Get<IBodyTarget>());
        Assert.NotNull(connection.Features.Get<IMemoryPoolFeature>()!.MemoryPool);
    }

    /// <summary>Reads a body as the gateway does, and counts the bytes that were received in place.</summary>
    private static async Task<(byte[] Body, int InPlace)> AimedAsync(LoopConnection connection, int count, bool again, bool ahead)
    {
        var reader = (LoopReader)connection.Transport.Input;
        var body = new byte[count];
        var inPlace = 0;
        var isAimed = false;
        var random = new Random(count);
        for (var at = 0; at < count;)
        {
            if (at > 0 && (again || !isAimed))
            {
                connection.ReceiveInto(body.AsMemory(at));
                isAimed = true;
            }
            var read = await Soon(reader.ReadAsync(Token));
            if (ahead && random.Next(3) > 0)
            {
                // As the loop does when the client has half closed the connection: bytes may arrive in between.
                reader.ReadAhead();
            }
            var part = read.Buffer.Slice(0, Math.Min(read.Buffer.Length, count - at));
            Assert.True(System.Runtime.InteropServices.MemoryMarshal.TryGetArray(part.First, out var array));
            if (array.Array == body)
            {
                Assert.Equal(at, array.Offset);
                inPlace += (int)part.Length;
            }
            else
            {
                part.CopyTo(body.AsSpan(at));
            }
            at += (int)part.Length;
            reader.AdvanceTo(part.End);
        }
        connection.ReceiveInto(default);
        return (body, inPlace);
    }

    private static byte[] Bytes(int count, int seed)
    {
        var bytes = new byte[count];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    private static async Task SendAsync(Socket socket, ReadOnlyMemory<byte> bytes)
    {
        while (bytes.Length > 0)
            bytes = bytes[await socket.SendAsync(bytes, Token)..];
    }

    private static async Task ClosedAsync(ConnectionContext connection)
    {
        var closed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var watch = connection.ConnectionClosed.Register(closed.SetResult);
        await Soon(closed.Task);
    }

    private static Task<T> Soon<T>(ValueTask<T> task) => task.AsTask().WaitAsync(Limit, Token);

    private static Task<T> Soon<T>(Task<T> task) => task.WaitAsync(Limit, Token);

    private static Task Soon(Task task) => task.WaitAsync(Limit, Token);

    private async Task<(LoopConnection Connection, Socket Client)> PairAsync(
        int receiveBuffer = 0, int sendBuffer = 0, int clientBuffer = 0)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        if (receiveBuffer > 0)
            listener.Server.ReceiveBufferSize = receiveBuffer;
        listener.Start();
        var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        if (clientBuffer > 0)
            client.ReceiveBufferSize = clientBuffer;
        await client.ConnectAsync(listener.LocalEndpoint, Token);
        var accepted = await listener.AcceptSocketAsync(Token);
        if (sendBuffer > 0)
            accepted.SendBufferSize = sendBuffer;
        var connection = new LoopConnection(SocketLoops.Shared.Next(), accepted, MemoryPool<byte>.Shared, number: 1);
        _open.Add(connection);
        _open.Add(new Closing(client));
        return (connection, client);
    }

    private sealed class Closing(Socket socket) : IAsyncDisposable
    {
        public ValueTask DisposeAsync()
        {
            socket.Dispose();
            return default;
        }
    }

    private sealed class Pools : IMemoryPoolFactory<byte>
    {
        public MemoryPool<byte> Create(MemoryPoolOptions? options = null) => MemoryPool<byte>.Shared;
    }
}
