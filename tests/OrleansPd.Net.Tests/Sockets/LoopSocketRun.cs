using System.Net.Sockets;
using OrleansPd.Net.Sockets;

namespace OrleansPd.Net.Tests.Sockets;

/// <summary>
/// The life of one connection between two loop sockets, as a seed decides it: both send and read in pieces, in different ways and
/// on different threads, and one may end it early. Whatever arrives is what was sent, from its beginning; all of it where nobody
/// was early.
/// </summary>
internal sealed class LoopSocketRun(int seed)
{
    private enum Ending
    {
        InOrder,
        InOrderToo,
        Dispose,
        Reset,
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async Task RunAsync()
    {
        var random = new Random(seed);
        var ending = (Ending)random.Next(4);
        var after = random.Next(200_000);
        using var listener = new TcpListener(System.Net.IPAddress.Loopback, 0);
        listener.Start();
        using var ours = await LoopConnector.ConnectAsync(SocketLoops.Shared.Next(), listener.LocalEndpoint, Token);
        using var theirs = new LoopSocket(SocketLoops.Shared.Next(), await listener.AcceptSocketAsync(Token));
        theirs.Start();
        var there = LoopSocketTests.Bytes(random.Next(300_000), seed);
        var back = LoopSocketTests.Bytes(random.Next(300_000), -seed);

        var isEarly = ending is Ending.Dispose or Ending.Reset;
        var early = isEarly ? after : int.MaxValue;
        await Task.WhenAll(
            Task.Run(() => SendAsync(ours, there, new Random(seed + 1)), Token),
            Task.Run(() => SendAsync(theirs, back, new Random(seed + 2)), Token),
            Task.Run(() => ReadAsync(theirs, there, isEarly, int.MaxValue, ending, new Random(seed + 3)), Token),
            Task.Run(() => ReadAsync(ours, back, isEarly, early, ending, new Random(seed + 4)), Token));
    }

    private static async Task SendAsync(LoopSocket socket, byte[] bytes, Random random)
    {
        try
        {
            for (var at = 0; at < bytes.Length;)
            {
                var rest = bytes.AsMemory(at, Math.Min(random.Next(1, 60_000), bytes.Length - at));
                at += rest.Length;
                if (random.Next(2) == 0)
                {
                    await socket.SendAsync(rest).ConfigureAwait(false);
                }
                else
                {
                    var cut = random.Next(rest.Length + 1);
                    await socket.SendAsync(rest[..cut], [default, rest[cut..], default]).ConfigureAwait(false);
                }
                if (random.Next(4) == 0)
                    await Task.Yield();
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // What arrived shows whether it may be.
        }
    }

    private static async Task ReadAsync(LoopSocket socket, byte[] expected, bool mayEnd, int early, Ending ending, Random random)
    {
        var into = new byte[40_000];
        var at = 0;
        try
        {
            while (at < expected.Length)
            {
                if (at >= early)
                {
                    End(socket, ending);
                    return;
                }
                var size = random.Next(1, into.Length);
                int read;
                if (random.Next(2) == 0)
                {
                    read = await socket.ReceiveAsync(into.AsMemory(0, size)).ConfigureAwait(false);
                }
                else
                {
                    await socket.ReceiveAsync(default).ConfigureAwait(false);
                    if (!socket.TryReceive(into.AsSpan(0, size), out read))
                        continue;
                }
                if (read == 0)
                    break;
                Assert.True(at + read <= expected.Length, "more came than was sent");
                Assert.True(into.AsSpan(0, read)
                    .SequenceEqual(expected.AsSpan(at, read)), $"other bytes came than were sent behind {at}");
                at += read;
                if (random.Next(4) == 0)
                    await Task.Yield();
            }
        }
        catch (Exception e) when (mayEnd && e is SocketException or ObjectDisposedException)
        {
            return;
        }
        Assert.True(mayEnd || at == expected.Length, $"{at} of {expected.Length} bytes came");
        if (at >= early)
            End(socket, ending);
    }

    private static void End(LoopSocket socket, Ending ending)
    {
        if (ending == Ending.Reset)
            socket.Reset();
        else
            socket.Dispose();
    }
}
