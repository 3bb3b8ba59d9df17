using System.Net;
using System.Net.Sockets;
using OrleansPd.Gateway.Hosting;
using OrleansPd.Gateway.Options;
using OrleansPd.Gateway.Tests.Support;

namespace OrleansPd.Gateway.Tests;

/// <summary>Options are checked where a gateway is made of them, not only by the command line.</summary>
public sealed class OptionsTests
{
    [Fact]
    public async Task A_gateway_with_unusable_options_names_all_of_them_and_does_not_listen()
    {
        using var free = new TcpListener(IPAddress.Loopback, 0);
        free.Start();
        var port = ((IPEndPoint)free.LocalEndpoint).Port;
        free.Stop();
        var options = new GatewayOptions
        {
            Host = "127.0.0.1",
            Port = port,
            RetryMaxRetries = 11,
            ModelAlias = { "no-model" },
            ControlPlane = { Policy = "fastest", QueueSize = -1 },
        };

        var error = await Assert.ThrowsAsync<ArgumentException>(
            () => GatewayServer.StartAsync(options, new FixedControlPlane(), cancellationToken: Stage.Token));

        Assert.Contains("Gateway:RetryMaxRetries: 11 is not between 0 and 10.", error.Message, StringComparison.Ordinal);
        Assert.Contains("Gateway:ModelAlias:0: 'no-model' is not ALIAS=MODEL.", error.Message, StringComparison.Ordinal);
        Assert.Contains("ControlPlane:Policy: 'fastest'", error.Message, StringComparison.Ordinal);
        Assert.Contains("ControlPlane:QueueSize: -1 is not between", error.Message, StringComparison.Ordinal);
        using var client = new TcpClient();
        await Assert.ThrowsAsync<SocketException>(() => client.ConnectAsync(IPAddress.Loopback, port, Stage.Token).AsTask());
    }

    [Fact]
    public async Task Keys_of_clients_are_in_no_message()
    {
        var options = new GatewayOptions { Port = 0, ClientKeys = { "name=a,key=secret-one", "name=a,key=secret-two" } };

        var error = await Assert.ThrowsAsync<ArgumentException>(
            () => GatewayServer.StartAsync(options, new FixedControlPlane(), cancellationToken: Stage.Token));

        Assert.Contains("Gateway:ClientKeys:1: key number 2 is invalid: the name 'a' is taken.", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", error.Message, StringComparison.Ordinal);
    }
}
