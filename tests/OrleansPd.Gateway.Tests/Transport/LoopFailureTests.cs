using System.Buffers;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;
using OrleansPd.Gateway.Options;
using OrleansPd.Gateway.Tests.Chaos;
using OrleansPd.Gateway.Transport;
using OrleansPd.Net.Sockets;
using OrleansPd.Standalone;

namespace OrleansPd.Gateway.Tests.Transport;

/// <summary>What a gateway reports of a failing event loop.</summary>
public sealed class LoopFailureTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    public LoopFailureTests()
    {
        Assert.SkipUnless(SocketLoops.IsSupported, "socket loops need Linux on x86-64 or ARM64");
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_continuation_that_throws_is_logged_and_closes_its_connection()
    {
        var lines = new ConcurrentQueue<string>();
        using var loggers = LoggerFactory.Create(builder => builder.AddProvider(new ErrorLog(lines)));
        using var transport = new LoopTransport(new Pools(), TimeProvider.System, loggers.CreateLogger<LoopTransport>());
        await using var listener = await transport.BindAsync(new IPEndPoint(IPAddress.Loopback, 0), Token);
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await client.ConnectAsync(listener.EndPoint, Token);
        await using var connection = (await listener.AcceptAsync(Token))!;
        var closed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var registration = connection.ConnectionClosed.Register(closed.SetResult);

        var failure = $"continuation {Guid.NewGuid()}";
        connection.Transport.Input.ReadAsync(Token).GetAwaiter().UnsafeOnCompleted(
            () => throw new InvalidOperationException(failure));
        await client.SendAsync("x"u8.ToArray(), Token);

        await closed.Task.WaitAsync(Limit, Token);
        var receiving = client.ReceiveAsync(new byte[1], Token).AsTask();
        await Assert.ThrowsAsync<SocketException>(() => receiving.WaitAsync(Limit, Token));
        while (!lines.Any(line => line.Contains(failure, StringComparison.Ordinal)))
        {
            await Task.Delay(10, Token); // the test's own limit ends this
        }
    }

    [Fact]
    public async Task A_loop_that_dies_stops_the_gateway_with_the_reason()
    {
        var died = new TaskCompletionSource<Exception>();
        var reason = new IOException("epoll_wait: Bad file descriptor");
        await using var gateway = await StandaloneGateway.StartAsync(
            new GatewayOptions { Host = "127.0.0.1", Port = 0 }, cancellationToken: Token);
        gateway.StopOn(died.Task);
        Assert.Null(gateway.Failure);

        died.SetResult(reason);

        await gateway.Completion.WaitAsync(Limit, Token);
        Assert.Same(reason, gateway.Failure);
    }

    private sealed class Pools : IMemoryPoolFactory<byte>
    {
        public MemoryPool<byte> Create(MemoryPoolOptions? options = null) => MemoryPool<byte>.Shared;
    }
}
