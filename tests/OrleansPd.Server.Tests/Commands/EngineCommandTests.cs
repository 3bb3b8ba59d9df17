using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text.RegularExpressions;

namespace OrleansPd.Server.Tests.Commands;

public sealed class EngineCommandTests
{
    [Theory]
    [InlineData("engine --role prefill --port 0 --bootstrap-port 0", "is a prefill of sim, KV bootstrap on port ")]
    [InlineData("engine --disaggregation-mode decode --port 0 --dp-size 2", "is a decode of sim, 2 ranks")]
    [InlineData("engine --disaggregation-mode null --port 0 --served-model-name m", "is a regular of m")]
    [InlineData("bootstrap --port 0", "orleanspd bootstrap on http://127.0.0.1:")]
    public async Task A_listener_says_one_line_and_stops_with_0_when_asked(string line, string part)
    {
        using var stop = new CancellationTokenSource();
        var bed = new CommandLineTestBed { FirstLine = stop.Cancel };

        var code = await bed.RunUntilAsync(stop.Token, line.Split(' '));

        Assert.Equal((0, ""), (code, bed.Error));
        Assert.Contains(part, Assert.Single(bed.Out.TrimEnd().Split('\n')));
    }

    [Theory]
    [InlineData("engine --port {0}", "--port")]
    [InlineData("engine --role prefill --port 0 --disaggregation-bootstrap-port {0}", "--bootstrap-port")]
    [InlineData("bootstrap --port {0}", "--port")]
    public async Task A_taken_port_says_so_and_what_to_do(string line, string flag)
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var port = ((IPEndPoint)taken.LocalEndpoint).Port;
        var bed = new CommandLineTestBed();

        var code = await bed.RunAsync(string.Format(null, line, port).Split(' '));

        Assert.Equal((1, ""), (code, bed.Out));
        Assert.Equal($"error: port {port} on 127.0.0.1 is taken by another process: stop that one, or choose another "
            + $"port with {flag} (0 = any free port).", bed.Error.TrimEnd());
    }

    [Fact]
    public async Task An_engine_that_dies_is_exit_code_1_and_says_why()
    {
        var listens = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var bed = new CommandLineTestBed { FirstLine = listens.SetResult };
        var engine = bed.RunAsync("engine", "--port", "0");
        Assert.Equal(listens.Task, await Task.WhenAny(listens.Task, engine));
        var url = new Uri(Regex.Match(bed.Out, @"http://127\.0\.0\.1:\d+").Value);
        using var http = new HttpClient();
        var cancellationToken = TestContext.Current.CancellationToken;

        await http.PostAsJsonAsync(new Uri(url, "/sim/faults"), new { kind = "die" }, cancellationToken);
        await Assert.ThrowsAsync<HttpRequestException>(
            () => http.PostAsJsonAsync(new Uri(url, "/generate"), new { text = "x" }, cancellationToken));

        Assert.Equal(1, await engine);
        Assert.Equal("error: the engine died: killed by a fault", bed.Error.TrimEnd());
    }

    [Theory]
    [InlineData("engine --role boss", "--role: 'boss' is none of prefill, decode, regular, null.")]
    [InlineData("engine --load-balance-method best",
        "--load-balance-method: 'best' is none of auto, round_robin, follow_bootstrap_room, total_requests, total_tokens.")]
    [InlineData("engine --dp-size 0", "--dp-size: '0' is not a whole number from 1 to 1024.")]
    [InlineData("bootstrap --port 65536", "--port: '65536' is not a whole number from 0 to 65535.")]
    public async Task Bad_input_starts_nothing(string line, string message)
    {
        var bed = new CommandLineTestBed();

        Assert.Equal(2, await bed.RunAsync(line.Split(' ')));
        Assert.Equal($"error: {message}", bed.Error.Split('\n')[0].TrimEnd());
    }
}
