/** The board that programs and image tests use: the environment variable BOARD names a file of this folder. */
export const boardName = process.env.BOARD ?? 'rp2040-w5500';

export const { Board } = await import(`./${boardName}.mjs`);
