using System.CommandLine;
using OrleansPd.Server.Commands;

namespace OrleansPd.Silo.Commands;

/// <summary>All commands of <c>orleanspd-silo</c>, and how they end.</summary>
internal static class SiloCommandTree
{
    private const string About =
        "OrleansPd on many machines: each silo is a gateway for SGLang engines that serves prefill and decode apart, and one node of "
        + "the cluster that they share. Try 'orleanspd-silo dev' first: it needs no GPU and no Redis.";

    public static async Task<int> RunAsync(string[] args, CommandContext context, CancellationToken cancellationToken)
    {
        var root = new RootCommand(About) { RunCommand.Create(context), DevCommand.Create(context) };
        var parsed = root.Parse(args.Length == 0 ? ["--help"] : args, new ParserConfiguration { ResponseFileTokenReplacer = null });
        try
        {
            if (parsed.Errors.Count > 0)
            {
                throw new BadInputException(
                    parsed.UnmatchedTokens is [var unknown, ..] ? $"'{unknown}' is not known here." : parsed.Errors[0].Message);
            }
            var invocation = new InvocationConfiguration
            {
                EnableDefaultExceptionHandler = false,
                Error = context.Error,
                Output = context.Out,
                ProcessTerminationTimeout = null,
            };
            return await parsed.InvokeAsync(invocation, cancellationToken).ConfigureAwait(false);
        }
        catch (BadInputException error)
        {
            var command = parsed.CommandResult.Command;
            context.Error.WriteLine($"error: {error.Message}");
            context.Error.WriteLine(
                $"'orleanspd-silo {(command is RootCommand ? "" : command.Name + " ")}--help' shows what can be given.");
            return ExitCode.BadInput;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return ExitCode.Success;
        }
        catch (Exception error) when (error is CommandFailedException or IOException or UnauthorizedAccessException)
        {
            context.Error.WriteLine($"error: {error.Message}");
            return ExitCode.Failure;
        }
        catch (Exception error)
        {
            // A bug: whoever reports it needs all of it.
            context.Error.WriteLine($"error: {error}");
            return ExitCode.Failure;
        }
    }
}
