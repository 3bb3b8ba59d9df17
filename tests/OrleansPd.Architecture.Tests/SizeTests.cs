using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace OrleansPd.Architecture.Tests;

/// <summary>Sizes of files and methods, and the place of each file.</summary>
public sealed class SizeTests
{
    private const int LinesOfFile = 300, LinesOfMethod = 60, ReasonsAllowed = 3;
    private const string Reason = "// Over 300 lines because ";

    [Fact]
    public void A_file_has_at_most_300_lines_or_says_in_its_header_why_not()
    {
        var large = Repository.Sources.ToDictionary(file => file, Read).Where(source => source.Value.Length > LinesOfFile)
            .ToArray();
        var explained = large.Where(
            source => source.Value.Take(40).Any(line => line.StartsWith(Reason, StringComparison.Ordinal)))
            .Select(source => source.Key).ToArray();
        ArrowTests.AssertNone($"Over {LinesOfFile} lines, and no line '{Reason}...' in the header:",
            large.Select(source => source.Key).Except(explained).Select(file => $"{file}: {Read(file).Length} lines"));
        Assert.True(explained.Length <= ReasonsAllowed, $"more than {ReasonsAllowed} long files: {string.Join(", ", explained)}");
    }

    [Fact]
    public void A_method_has_at_most_60_lines() => ArrowTests.AssertNone(
        $"Methods over {LinesOfMethod} lines:",
        from file in Repository.Sources
        let root = CSharpSyntaxTree.ParseText(File.ReadAllText(Path.Combine(Repository.Root, file))).GetRoot()
        from body in root.DescendantNodes().OfType<BlockSyntax>()
        where body.Parent is BaseMethodDeclarationSyntax or AccessorDeclarationSyntax or LocalFunctionStatementSyntax
        let lines = body.GetLocation().GetLineSpan() is var span ? span.EndLinePosition.Line - span.StartLinePosition.Line - 1 : 0
        where lines > LinesOfMethod
        select $"{file}: {Name(body.Parent!)}");

    [Fact]
    public void A_namespace_is_its_folder() => ArrowTests.AssertNone(
        "Files whose namespace is not their folder:",
        from file in Repository.Sources
        let expected = Path.GetDirectoryName(file)!["src/".Length..].Replace(Path.DirectorySeparatorChar, '.')
        let declared = Read(file).FirstOrDefault(line => line.StartsWith("namespace ", StringComparison.Ordinal))
        where declared is not null && declared != $"namespace {expected};"
        select $"{file}: {declared}");

    private static string[] Read(string file) => File.ReadAllLines(Path.Combine(Repository.Root, file));

    private static string Name(SyntaxNode member) => member switch
    {
        MethodDeclarationSyntax method => method.Identifier.Text,
        LocalFunctionStatementSyntax function => function.Identifier.Text,
        ConstructorDeclarationSyntax constructor => $"constructor of {constructor.Identifier.Text}",
        AccessorDeclarationSyntax { Parent.Parent: PropertyDeclarationSyntax property } => property.Identifier.Text,
        _ => member.Kind().ToString(),
    };
}
