using System.Net;
using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.Time.Testing;
using OrleansPd.Net.Http1;

namespace OrleansPd.Net.Tests.Http1;

/// <summary>How a broken connection is reported. The server breaks it at the point of each case.</summary>
public abstract class StaleConnectionTests : IDisposable
{
    private const string Good = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";

    private static readonly TimeSpan Idle = TimeSpan.FromSeconds(2);

    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly FakeTimeProvider _clock = new();

    protected StaleConnectionTests()
    {
        _listener.Start();
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _listener.Dispose();
        GC.SuppressFinalize(this);
    }

    protected abstract IUpstream Create(TimeProvider clock);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task An_idle_reused_connection_that_breaks_without_a_byte_was_stale(bool reset)
    {
        await using var upstream = Create(_clock);
        var server = ServeAsync(Good, "", reset);
        await GetAsync(upstream);
        _clock.Advance(Idle);

        var broken = await Assert.ThrowsAsync<UpstreamException>(() => GetAsync(upstream));

        Assert.Equal((false, true), (broken.NeverSent, broken.WasStale));
        Assert.Equal(2, await server);
    }

    [Fact]
    public async Task A_new_connection_that_breaks_was_not_stale()
    {
        await using var upstream = Create(_clock);
        var server = ServeAsync("");

        var broken = await Assert.ThrowsAsync<UpstreamException>(() => GetAsync(upstream));

        Assert.Equal((false, false), (broken.NeverSent, broken.WasStale));
        Assert.Equal(1, await server);
    }

    [Fact]
    public async Task A_reused_connection_that_breaks_within_the_head_was_not_stale()
    {
        await using var upstream = Create(_clock);
        var server = ServeAsync(Good, "HTTP/1.1 200 OK\r\nContent-");
        await GetAsync(upstream);
        _clock.Advance(Idle);

        Assert.False((await Assert.ThrowsAsync<UpstreamException>(() => GetAsync(upstream))).WasStale);
        await server;
    }

    [Fact]
    public async Task A_reused_connection_that_breaks_late_was_not_stale()
    {
        await using var upstream = Create(_clock);
        var server = ServeAsync(Good, "", before: () => _clock.Advance(TimeSpan.FromSeconds(2)));
        await GetAsync(upstream);
        _clock.Advance(Idle);

        Assert.False((await Assert.ThrowsAsync<UpstreamException>(() => GetAsync(upstream))).WasStale);
        await server;
    }

    [Fact]
    public async Task A_connection_that_was_just_in_use_was_not_stale()
    {
        await using var upstream = Create(_clock);
        var server = ServeAsync(Good, "");
        await GetAsync(upstream);

        Assert.False((await Assert.ThrowsAsync<UpstreamException>(() => GetAsync(upstream))).WasStale);
        await server;
    }

    [Fact]
    public async Task A_refused_connection_counts_as_never_sent()
    {
        await using var upstream = Create(_clock);
        _listener.Stop();

        var broken = await Assert.ThrowsAsync<UpstreamException>(() => GetAsync(upstream));

        Assert.Equal((true, false), (broken.NeverSent, broken.WasStale));
    }

    /// <summary>
    /// Accepts one connection and sends the given responses, one for each request; it closes the connection after the last.
    /// </summary>
    /// <returns>Number of requests that were read.</returns>
    private async Task<int> ServeAsync(string first, string? second = null, bool reset = false, Action? before = null)
    {
        using var socket = await _listener.AcceptSocketAsync(Token);
        var buffer = new byte[4096];
        var read = 0;
        foreach (var answer in new[] { first, second }.Where(a => a is not null))
        {
            var request = "";
            while (!request.Contains("{\"x\":1}", StringComparison.Ordinal))
                request += Encoding.ASCII.GetString(buffer, 0, await socket.ReceiveAsync(buffer, Token));
            read++;
            if (read == 2)
                before?.Invoke();
            await socket.SendAsync(Encoding.ASCII.GetBytes(answer!), Token);
        }
        socket.LingerState = new LingerOption(reset, 0);
        return read;
    }

    private async Task GetAsync(IUpstream upstream)
    {
        var request = new UpstreamRequest
        {
            Engine = new Uri($"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}"),
            Path = "/generate",
            Body = new UpstreamBody("{\"x\":1}"u8.ToArray()),
        };
        await using var response = await upstream.SendAsync(request, Token);
        while (await response.ReadAsync(new byte[64], Token) > 0)
        {
        }
    }
}

public sealed class StaleConnectionDirectTests : StaleConnectionTests
{
    protected override IUpstream Create(TimeProvider clock) => new DirectUpstream(clock: clock);
}

public sealed class StaleConnectionLoopTests : StaleConnectionTests
{
    protected override IUpstream Create(TimeProvider clock) =>
        new DirectUpstream(new UpstreamOptions { UseSocketLoop = true }, clock);
}

public sealed class StaleConnectionHandlerTests : StaleConnectionTests
{
    protected override IUpstream Create(TimeProvider clock) => new HandlerUpstream(clock: clock);
}
